"""OneOf, Repeat, Cell and Zero: which modules run, what comes out, what gets a gradient, what is extracted."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from slices import close, one_hot, randomise
from torch import Tensor, nn

import nas
from nas.nn import Cell, Conv2d, Linear, OneOf, Repeat, SwitchableBatchNorm2d, Zero
from nas.space import Choice
from nas.testing import ElasticLayerSuite

X = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def supernet_of(*modules: nn.Module) -> nas.Supernet:
    torch.manual_seed(1)
    supernet = nas.Supernet(nn.Sequential(*modules))
    randomise(supernet)
    return supernet


def conv() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())


def from_nas(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if type(module).__module__.split(".")[0] == "nas"]


@torch.no_grad()
def candidates_of(layer: nn.Module) -> list[Tensor]:
    return [module(X) for module in layer.children()]


WIDTH = Choice([2, 4, 6], name="width")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
STRUCTURES: dict[str, Callable[[], nn.Module]] = {
    "one of": lambda: OneOf({"small": elastic(1), "large": elastic(3), "none": Zero()}),
    "repeat": lambda: Repeat([elastic(3) for _ in range(3)], Choice([1, 2, 3], name="depth")),
    "cell": lambda: Cell({edge: OneOf([nn.Identity(), elastic(1), Zero()]) for edge in EDGES}),
    "switchable batch norm": lambda: SwitchableBatchNorm2d(WIDTH),
}


def elastic(kernel: int) -> nn.Module:
    return nn.Sequential(Conv2d(WIDTH, WIDTH, kernel, padding=kernel // 2), nn.ReLU())


class TestEveryStructure(ElasticLayerSuite):
    @pytest.fixture(autouse=True, params=STRUCTURES)
    def structure(self, request: pytest.FixtureRequest) -> None:
        self.made = STRUCTURES[request.param]

    def model(self) -> nn.Module:
        return nn.Sequential(
            Conv2d(3, WIDTH, 1), self.made(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), Linear(4 * WIDTH, 3)
        )


def test_one_of_runs_one_candidate_and_leaves_the_others_without_gradient() -> None:
    layer = OneOf({"a": conv(), "b": conv(), "c": nn.Identity()}, Choice(["a", "b", "c"], name="operation"))
    supernet = supernet_of(layer).eval()
    for name, expected in zip("abc", candidates_of(layer), strict=True):
        supernet.zero_grad()
        supernet.activate({"operation": name})
        y = supernet(X)
        assert torch.equal(y, expected) and layer.chosen is layer[name]
        if name != "c":
            torch.autograd.backward(y.sum())
        for other in "abc":
            grads = [parameter.grad for parameter in layer[other].parameters()]
            assert all((grad is None) == (other != name) for grad in grads)


def test_one_of_names_its_candidates_by_key_or_position() -> None:
    assert supernet_of(OneOf([nn.Identity(), nn.ReLU()])).space.choices == {"0": (0, 1)}
    assert supernet_of(OneOf({"x": nn.Identity(), "y": nn.ReLU()})).space.choices == {"0": ("x", "y")}


def test_one_of_keeps_only_what_its_choice_names() -> None:
    layer = OneOf({"a": nn.Identity(), "b": conv(), "c": conv()}, Choice(["c", "a"], name="operation"))
    assert [name for name, _ in layer.named_children()] == ["c", "a"]
    assert nas.Supernet(nn.Sequential(layer)).space.choices == {"operation": ("c", "a")}


def test_one_of_with_names_of_several_kinds_knows_which_candidate_runs() -> None:
    kernels: dict[Any, Choice] = {name: Choice([1, 3], name=f"kernel_{name}") for name in (0, "one", None)}
    layer = OneOf({name: Conv2d(3, 3, kernel, padding=kernel // 2) for name, kernel in kernels.items()})
    supernet = supernet_of(layer)
    assert supernet.space.size == 3 * 2
    for architecture in supernet.space:
        assert set(architecture) == {"0", f"kernel_{architecture['0']}"}


def test_candidates_may_take_several_inputs() -> None:
    layer = OneOf({"add": Combine(torch.add), "mul": Combine(torch.mul)})
    supernet = nas.Supernet(layer)
    supernet.activate({"choice": "mul"})
    assert torch.equal(supernet(X, X), X * X)


class Combine(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        y: Tensor = self.function(a, b)
        return y


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_repeat_runs_the_first_blocks(depth: int) -> None:
    layer = Repeat([conv() for _ in range(3)], Choice([0, 1, 3], name="depth"))
    supernet = supernet_of(layer).eval()
    supernet.activate({"depth": depth})
    blocks = list(layer.children())
    expected = X.clone().requires_grad_()
    for block in blocks[:depth]:
        expected = block(expected)
    y = supernet(X.clone().requires_grad_())
    assert torch.equal(y, expected)
    torch.autograd.backward(y.sum())
    for index, block in enumerate(blocks):
        assert all((parameter.grad is not None) == (index < depth) for parameter in block.parameters())
    network = supernet.extract({"depth": depth})
    assert type(network.get_submodule("0")) is nn.Sequential
    assert len(list(network.get_submodule("0").children())) == depth
    assert torch.equal(network(X), y)


def test_repeat_of_a_fixed_depth_or_an_expression() -> None:
    fixed = Repeat([conv() for _ in range(3)], 2)
    assert torch.equal(fixed.eval()(X), nn.Sequential(*list(fixed.children())[:2])(X))
    half = Choice([2, 4], name="four") // 2
    layer = Repeat([conv() for _ in range(3)], half)
    supernet = supernet_of(fixed, layer).eval()
    supernet.activate({"four": 4})
    assert torch.equal(supernet(X), nn.Sequential(*list(fixed.children())[:2], *list(layer.children())[:2])(X))
    assert len(list(supernet.extract({"four": 2}).get_submodule("0").children())) == 2


def test_repeat_may_hold_the_same_block_twice() -> None:
    block = conv().eval()
    supernet = supernet_of(Repeat([block, block, nn.ReLU()], Choice([1, 2, 3], name="depth"))).eval()
    for depth, expected in ((1, block(X)), (2, block(block(X))), (3, block(block(X)).relu())):
        supernet.activate({"depth": depth})
        assert torch.equal(supernet(X), expected)
        network = supernet.extract({"depth": depth})
        assert torch.equal(network(X), expected)
        assert len(list(network.parameters())) == len(list(block.parameters())), "still shared"
        x = X
        for _, segment in supernet.segments():
            x = segment.module(x)
        assert torch.equal(x, expected)


def test_blocks_of_one_elastic_width_or_of_no_declared_width_may_follow_each_other() -> None:
    width = Choice([2, 3], name="width")
    blocks: list[nn.Module] = [Conv2d(3, width, 1), nn.Sequential(nn.ReLU()), Conv2d(width, width, 1)]
    supernet = supernet_of(Repeat(blocks, Choice([1, 2, 3], name="depth")))
    supernet.activate({"width": 2, "depth": 2})
    assert supernet(X).shape == (2, 2, 4, 4)


OPERATIONS = ("none", "skip", "conv")


def cell(output: str = "last") -> Cell:
    choices = {edge: Choice(OPERATIONS, name="{}{}".format(*edge)) for edge in EDGES}
    operations = {edge: {"none": Zero(), "skip": nn.Identity(), "conv": conv()} for edge in EDGES}
    return Cell({edge: OneOf(operations[edge], choices[edge]) for edge in EDGES}, output=output)  # type: ignore[arg-type]


def by_hand(layer: Cell, architecture: nas.Architecture, output: str) -> Tensor:
    nodes = [X]
    for node in (1, 2, 3):
        terms = []
        for source in range(node):
            name, edge = architecture[f"{source}{node}"], layer.edge(source, node)
            assert isinstance(edge, OneOf)
            terms.append({"none": 0 * X, "skip": nodes[source]}.get(name, edge["conv"](nodes[source])))
        nodes.append(sum(terms[1:], terms[0]))
    return nodes[-1] if output == "last" else torch.cat(nodes[1:], 1)


@pytest.mark.parametrize("output", ["last", "concat"])
def test_a_cell_sums_its_edges(output: str) -> None:
    layer = cell(output)
    supernet = supernet_of(layer).eval()
    fixed = ["none"] * 6, ["none"] * 3 + ["skip", "none", "conv"], ["skip"] * 6
    members = [supernet.space.architecture(dict(zip(supernet.space.choices, names, strict=True))) for names in fixed]
    for architecture in [*members, *(supernet.space.sample(seed) for seed in range(15))]:
        supernet.activate(architecture)
        expected = by_hand(layer, architecture, output)
        close(supernet(X), expected)
        network = supernet.extract(architecture)
        assert not from_nas(network)
        assert torch.equal(network(X), supernet(X))
        gates = one_hot(supernet, architecture)
        supernet.mix(gates)
        mixed = supernet(X)
        close(mixed, expected)
        torch.autograd.backward(mixed.sin().sum())
        assert all(gate.grad is not None for gate in gates.values())


def test_a_cell_does_not_run_zero_edges() -> None:
    layer = cell()
    supernet = supernet_of(layer)
    supernet.activate({"01": "conv", "02": "none", "12": "skip", "03": "none", "13": "none", "23": "none"})
    assert [name for name, _ in layer.running()] == ["edge_0_1", "edge_1_2", "edge_0_3"]
    assert not supernet(X).any(), "node 3 is zero"


def test_a_cell_with_two_inputs_as_in_darts() -> None:
    edges = {pair: conv().eval() for pair in ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))}
    layer = Cell(edges, inputs=2, output="concat").eval()
    a, b = X, X.flip(0)
    two = edges[0, 2](a) + edges[1, 2](b)
    three = edges[0, 3](a) + edges[1, 3](b) + edges[2, 3](two)
    close(layer(a, b), torch.cat([two, three], 1))
    plain = layer.plain(lambda module: module)
    assert torch.equal(plain(a, b), layer(a, b)) and not from_nas(plain)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_zero(stride: int) -> None:
    x = torch.full((2, 3, 7, 8), torch.nan)
    expected = torch.zeros(2, 3, -(-7 // stride), -(-8 // stride))
    layer = Zero(stride)
    assert torch.equal(layer(x), expected)
    plain = layer.plain(lambda module: module)
    assert torch.equal(plain(x), expected) and not from_nas(plain)


def test_nested_choices_are_extracted_whole() -> None:
    kernel = Choice([1, 3], name="kernel")
    inner = OneOf({"fixed": conv(), "elastic": Conv2d(3, 3, kernel, padding=kernel // 2)}, Choice(["fixed", "elastic"]))
    layer = OneOf({"repeat": Repeat([inner, conv()], Choice([1, 2])), "cell": cell()}, Choice(["repeat", "cell"]))
    supernet = supernet_of(layer).eval()
    assert supernet.space.size == 2 * (1 + 2) + 3**6
    members = list(itertools.islice(supernet.space, 6)) + [supernet.space.sample(seed) for seed in range(6)]
    for architecture in members:
        supernet.activate(architecture)
        network = supernet.extract(architecture)
        assert not from_nas(network)
        assert torch.equal(network(X), supernet(X))
