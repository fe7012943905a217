"""The spaces of DARTS and of the TangleNAS benchmark are the published ones: counts, sizes, strides, parameters."""

import os
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from shipped import images, one_hot_gates, perturbed
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import Cell, OneOf, Zero
from nas.space import Choice, Notation, Subset, find_notation
from search_spaces import darts as darts_module
from search_spaces.cell_operations import FactorizedReduce
from search_spaces.darts import darts
from search_spaces.nasbench201 import nasbench201
from search_spaces.toy_cell import OPERATIONS, Entangled, toy_cell
from search_spaces.toy_conv import KERNELS, WIDTHS, toy_conv

SHARED = Path(os.environ.get("NAS_SHARED_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
SHAPE = (1, 8, 8)

SECOND_ORDER = {
    "normal": (
        (("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
        (("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
        (("skip_connect", 0), ("sep_conv_3x3", 1)),
        (("skip_connect", 0), ("dil_conv_3x3", 2)),
    ),
    "reduce": (
        (("max_pool_3x3", 0), ("max_pool_3x3", 1)),
        (("max_pool_3x3", 1), ("skip_connect", 2)),
        (("max_pool_3x3", 0), ("skip_connect", 2)),
        (("max_pool_3x3", 1), ("skip_connect", 2)),
    ),
}
"""The cells that second-order DARTS found: for each node the operations that it keeps and where they come from."""


def on_meta(make: Callable[[], nn.Module]) -> nas.Supernet:
    with torch.device("meta"):
        return nas.Supernet(make())


def written(cells: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for kind, nodes in cells.items():
        for node, edges in enumerate(nodes, start=2):
            values[f"{kind}.node_{node}"] = [source for _, source in edges]
            values |= {f"{kind}.edge_{source}_{node}": operation for operation, source in edges}
    return values


def parameters(supernet: nas.Supernet, architecture: Any) -> int:
    return sum(parameter.numel() for parameter in supernet.extract(architecture).parameters())


def cells_of(supernet: nas.Supernet) -> list[Cell]:
    return [module for module in supernet.modules() if isinstance(module, Cell)]


def outputs_of(supernet: nas.Supernet, modules: list[nn.Module], x: Tensor) -> list[Tensor]:
    """What modules give in one forward, in the order of the list."""
    seen: dict[nn.Module, Tensor] = {}
    hooks = [each.register_forward_hook(lambda module, _, y: seen.__setitem__(module, y)) for each in modules]
    supernet(x)
    for hook in hooks:
        hook.remove()
    return [seen[each] for each in modules]


def test_darts_has_fourteen_edges_and_keeps_two_for_each_node() -> None:
    space = on_meta(lambda: darts(SHAPE, 5, width=4)).space
    for kind in ("normal", "reduce"):
        edges = [name for name in space.choices if name.startswith(f"{kind}.edge")]
        assert len(edges) == 14 and {len(space.choices[name]) for name in edges} == {8}
        assert [len(space.choices[f"{kind}.node_{node}"]) for node in (2, 3, 4, 5)] == [1, 3, 6, 10]
    assert space.choices["normal.edge_0_2"] == darts_module.OPERATIONS
    assert len(space.choices) == 2 * (14 + 4)
    assert space.size == (1 * 3 * 6 * 10 * 8**8) ** 2


def test_the_published_network_of_darts_has_the_published_parameters() -> None:
    supernet = on_meta(lambda: darts((3, 32, 32), 10, width=36, cells=20))
    supernet.activate(written(SECOND_ORDER))
    assert sum(parameter.numel() for parameter, _ in supernet.active_regions()) == 3_349_342


def test_cells_of_darts_halve_and_double_at_one_and_two_thirds() -> None:
    supernet = on_meta(lambda: darts((3, 32, 32), 10, width=4, cells=8))
    cells = list(supernet.model.get_submodule("cells").children())
    shapes = [tuple(y.shape[1:]) for y in outputs_of(supernet, cells, torch.empty(2, 3, 32, 32, device="meta"))]
    assert shapes == [(16, 32, 32)] * 2 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3
    assert [cell.kept[3].name for cell in cells_of(supernet)] == [
        "reduce.node_3" if index in (2, 5) else "normal.node_3" for index in range(8)
    ]
    path = supernet.extract(supernet.space.sample(0)).auxiliary
    assert path == "cells.5" and supernet.model.get_submodule(str(path)) is cells[5]


def test_only_edges_from_the_inputs_of_reduction_cells_have_a_stride() -> None:
    supernet = on_meta(lambda: darts(SHAPE, 5, width=4))
    normal, reduction, _ = cells_of(supernet)
    for edge in reduction.edges:
        for cell, stride in ((normal, 1), (reduction, 2 if edge[0] < 2 else 1)):
            operations = cell.edge(*edge)
            assert isinstance(operations, OneOf)
            for candidate in operations.choice.candidates:
                y = operations[candidate](torch.empty(2, 4 if cell is normal else 8, 7, 8, device="meta"))
                assert tuple(y.shape[2:]) == ((7, 8) if stride == 1 else (4, 4)), (edge, candidate)


def test_a_cell_of_darts_gives_its_nodes_in_order_each_the_sum_of_two_edges() -> None:
    supernet = perturbed(darts(SHAPE, 5, width=4)).eval()
    cell = cells_of(supernet)[0]
    supernet.activate({**supernet.space.sample(1), **written({"normal": SECOND_ORDER["normal"]})})
    edges = [(source, node) for node, kept in enumerate(SECOND_ORDER["normal"], start=2) for _, source in kept]
    y, *outputs = outputs_of(supernet, [cell, *(cell.edge(*edge) for edge in edges)], images())
    assert len(list(cell.running())) == len(edges) == 8
    for node, part in enumerate(y.chunk(4, 1)):
        torch.testing.assert_close(part, outputs[2 * node] + outputs[2 * node + 1])


def test_batch_norms_in_cells_of_darts_have_weights_only_where_asked() -> None:
    def weighted(affine: bool) -> set[str]:
        model = darts(SHAPE, 5, width=4, affine=affine)
        names = {name for name, each in model.named_modules() if isinstance(each, nn.BatchNorm2d) and each.affine}
        return {name.split(".")[0] for name in names}

    assert weighted(affine=False) == {"stem"} and weighted(affine=True) == {"stem", "cells"}
    assert (
        nas.Supernet(darts(SHAPE, 5, affine=False)).space.fingerprint == nas.Supernet(darts(SHAPE, 5)).space.fingerprint
    )


def test_poolings_and_skips_of_darts_hold_nothing_to_learn_but_where_a_skip_halves() -> None:
    for cell, reduces in zip(cells_of(on_meta(lambda: darts(SHAPE, 5, width=4))), (False, True, True), strict=True):
        edge = cell.edge(0, 2)
        assert isinstance(edge, OneOf) and isinstance(edge["none"], Zero)
        free = {name for name in edge.choice.candidates if not list(edge[name].parameters())}
        assert free == {"none", "max_pool_3x3", "avg_pool_3x3"} | (set() if reduces else {"skip_connect"})
        assert getattr(edge["skip_connect"], "parameter_free", False) == reduces


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(UsageError, match="darts has 2 cells; use at least 3"):
        darts(SHAPE, 5, cells=2)


@pytest.mark.parametrize("size", [6, 7])
def test_half_of_a_factorized_reduction_sees_the_odd_pixels(size: int) -> None:
    layer = FactorizedReduce(1, 2, affine=False).eval()
    nn.init.ones_(layer.even.weight)
    nn.init.ones_(layer.odd.weight)
    x = torch.arange(float(size * size)).view(1, 1, size, size)
    even, odd = layer(x)[0] * (1 + layer.norm.eps) ** 0.5
    torch.testing.assert_close(even, x[0, 0, ::2, ::2])
    torch.testing.assert_close(odd[: size // 2, : size // 2], x[0, 0, 1::2, 1::2])
    assert odd.shape == even.shape and odd[size // 2 :].count_nonzero() == 0
    with pytest.raises(UsageError, match="halves the resolution cannot have 1 channel"):
        FactorizedReduce(4, 1)


PARTIAL: dict[str, Callable[[int], nn.Module]] = {
    "darts": lambda parts: darts(SHAPE, 5, width=8, affine=False, partial_channels=parts),
    "nasbench201": lambda parts: nasbench201(SHAPE, 5, width=8, partial_channels=parts),
    "toy_cell": lambda parts: toy_cell(SHAPE, 5, width=8, partial_channels=parts),
    "toy_cell_entangled": lambda parts: toy_cell(SHAPE, 5, width=8, partial_channels=parts, entangled=True),
}


@pytest.mark.parametrize("make", PARTIAL.values(), ids=PARTIAL)
def test_with_partial_channels_choices_stay_and_outputs_of_operations_shrink(make: Callable[[int], nn.Module]) -> None:
    elements, fingerprints = [], set()
    for parts in (1, 2, 4):
        supernet = nas.Supernet(make(parts))
        fingerprints.add(supernet.space.fingerprint)
        weights = {name: torch.ones(len(each)) for name, each in supernet.options.items()}
        supernet.mix(weights)
        edges = [module for module in supernet.modules() if isinstance(module, OneOf | Entangled)]
        operations = [operation for edge in edges for operation in edge.children()]
        ys = outputs_of(supernet, operations, torch.randn(2, *SHAPE))
        elements.append(sum(y.numel() for y in ys))
    assert elements == [elements[0], elements[0] / 2, elements[0] / 4]
    assert len(fingerprints) == 1


@pytest.mark.parametrize("make", PARTIAL.values(), ids=PARTIAL)
def test_parts_that_do_not_divide_the_width_are_refused(make: Callable[[int], nn.Module]) -> None:
    for parts in (3, 16):
        with pytest.raises(UsageError, match=f"8 channels cannot be divided into {parts} equal parts"):
            make(parts)


@pytest.mark.parametrize("indegree", [2, 3, 4, 5])
def test_uniform_edge_weights_are_the_sum_over_all_edges_divided_by_their_number(indegree: int) -> None:
    torch.manual_seed(0)
    subset = Subset(range(indegree), size=2, name="kept")
    edges = {(source, indegree): nn.Conv2d(2, 2, 1) for source in range(indegree)}
    supernet = nas.Supernet(Cell(edges, indegree, kept={indegree: subset}))
    x = [torch.randn(1, 2, 3, 3) for _ in range(indegree)]
    total = sum(edges[source, indegree](each) for source, each in enumerate(x))
    supernet.mix({"kept": torch.ones(indegree)})
    torch.testing.assert_close(supernet(*x), total)
    supernet.mix({"kept": torch.zeros(indegree).softmax(0)})
    torch.testing.assert_close(supernet(*x), total / indegree)


def test_toy_cell_is_the_published_network() -> None:
    supernet = on_meta(toy_cell)
    assert supernet.space.size == 4**6 == 4096
    assert set(supernet.space.choices) == {
        f"{kind}.edge_{edge}" for kind in ("normal", "reduce") for edge in ("0_1", "0_2", "1_2")
    }
    shapes = [
        tuple(y.shape[1:]) for y in outputs_of(supernet, cells_of(supernet), torch.empty(1, 1, 28, 28, device="meta"))
    ]
    assert shapes == [(64, 14, 14), (64, 14, 14), (128, 7, 7)]
    linears = [module for module in supernet.modules() if isinstance(module, nn.Linear)]
    assert [(each.in_features, each.out_features) for each in linears] == [(1152, 128), (128, 10)]
    assert not any(module.affine for module in supernet.modules() if isinstance(module, nn.BatchNorm2d))
    for cell, stride in zip(cells_of(supernet), (2, 1, 2), strict=True):
        edges = [cell.edge(*edge).get_submodule("sep_conv_3x3.1") for edge in ((0, 1), (0, 2), (1, 2))]
        assert [vars(edge)["stride"] for edge in edges] == [(stride, stride), (stride, stride), (1, 1)]


def test_toy_conv_is_the_published_network() -> None:
    supernet = on_meta(toy_conv)
    assert supernet.space.size == 3**8 == 6561
    linears = [module for module in supernet.modules() if isinstance(module, nn.Linear)]
    assert [each.in_features for each in linears] == [6 * 6 * 256, 256, 128, 64]
    channels, kernels = (8, 32, 64, 256), (7, 3, 5, 3)
    architecture = find("toy_conv").parse(list(channels), list(kernels))
    convolutions = zip((3, *channels), (*channels, 256), (*kernels, 7), strict=True)
    expected = sum(inputs * outputs * kernel**2 + outputs for inputs, outputs, kernel in convolutions)
    expected += sum(each.in_features * each.out_features + each.out_features for each in linears)
    assert parameters(supernet, architecture) == expected
    network = supernet.extract(architecture)
    assert [type(layer).__name__ for block in network.children() for layer in block.children()] == [
        *("Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "Dropout2d", "MaxPool2d"),
        *("Conv2d", "ReLU", "Conv2d", "Dropout2d"),
        *("Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear", "ReLU", "Linear"),
    ]


@pytest.mark.parametrize("shape", [(3, 5, 5), (1, 8, 8), (3, 9, 15), (3, 16, 16), (1, 28, 28), (3, 32, 32)])
def test_the_spaces_fit_every_image_size(shape: tuple[int, int, int]) -> None:
    spaces: list[Callable[[], nn.Module]] = [
        lambda: darts(shape, 7, width=2, cells=3),
        lambda: darts(shape, 7, width=4, cells=3, partial_channels=2),
        lambda: toy_cell(shape, 7, width=4),
        lambda: toy_cell(shape, 7, width=4, entangled=True),
        lambda: toy_conv(shape, 7, width=0.125),
    ]
    for make in spaces:
        supernet = nas.Supernet(make())
        for architecture in (supernet.space.smallest(), supernet.space.largest()):
            supernet.activate(architecture)
            assert supernet(torch.randn(2, *shape)).shape == (2, 7)


def entangled(seed: int = 0, stride: int = 1) -> tuple[nas.Supernet, Entangled]:
    layer = Entangled(Choice(OPERATIONS, name="operation"), stride, 3)
    return perturbed(nn.Sequential(layer), seed).double(), layer


def cropped(layer: nn.Module, mask: Tensor, x: Tensor) -> Tensor:
    """An entangled operation whose 5x5 kernels are multiplied by a mask; batch statistics."""
    for module in layer.children():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            padding = 4 if module.dilation == (2, 2) else 2
            x = F.conv2d(x, module.weight * mask, None, module.stride, padding, module.dilation, 3)
        elif isinstance(module, nn.BatchNorm2d):
            x = F.batch_norm(x, None, None, training=True)
        else:
            x = module(x)
    return x


CENTRE = F.pad(torch.ones(3, 3, dtype=torch.float64), (1, 1, 1, 1))
WHOLE = torch.ones(5, 5, dtype=torch.float64)
X = torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("stride", [1, 2])
def test_entangled_small_kernels_are_the_centre_of_the_large_ones(stride: int) -> None:
    supernet, layer = entangled(stride=stride)
    assert len(list(layer.parameters())) == 4 + 2
    for operation in OPERATIONS:
        kind, mask = operation[:8], CENTRE if operation.endswith("3x3") else WHOLE
        supernet.activate({"operation": operation})
        expected = cropped(layer.get_submodule(kind), mask, X)
        torch.testing.assert_close(supernet(X), expected)
        network = supernet.extract({"operation": operation})
        torch.testing.assert_close(network(X), expected)
        depthwise = [each for each in network.modules() if isinstance(each, nn.Conv2d) and each.groups > 1]
        assert {each.kernel_size for each in depthwise} == {(int(operation[-1]),) * 2}
        assert {type(each) for each in depthwise} == {nn.Conv2d}


def test_entangled_kernels_are_mixed_as_they_weigh_among_themselves() -> None:
    supernet, layer = entangled()
    weights = torch.tensor([0.1, 0.3, 0.4, 0.2], dtype=torch.float64)
    supernet.mix({"operation": weights})
    separable = cropped(layer.get_submodule("sep_conv"), 0.25 * CENTRE + 0.75 * WHOLE, X)
    dilated = cropped(layer.get_submodule("dil_conv"), 2 / 3 * CENTRE + 1 / 3 * WHOLE, X)
    torch.testing.assert_close(supernet(X), 0.4 * separable + 0.6 * dilated)
    gates = weights.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda gates: follow(supernet, gates), gates)


def follow(supernet: nas.Supernet, gates: Tensor) -> Tensor:
    supernet.mix({"operation": gates})
    y: Tensor = supernet(X)
    return y


def test_entangled_operations_of_weight_zero_learn_from_what_equal_kernels_give() -> None:
    supernet, layer = entangled()
    noise = torch.tensor([0.0, 0.0, 1e-9, -9e-10], dtype=torch.float64)
    for rounding in (0 * noise, noise):
        gates = (torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64) + rounding).requires_grad_()
        y = follow(supernet, gates)
        torch.testing.assert_close(y, cropped(layer.get_submodule("sep_conv"), WHOLE, X))
        (gradient,) = torch.autograd.grad(y.sin().sum(), gates)
        dilated = cropped(layer.get_submodule("dil_conv"), (CENTRE + WHOLE) / 2, X)
        torch.testing.assert_close(gradient[2:], (y.cos() * dilated).sum().expand(2), rtol=1e-6, atol=1e-6)


def test_only_the_active_of_entangled_operations_run() -> None:
    supernet, layer = entangled()
    gates = torch.tensor([0.2, 0.5, 0.2, 0.1], dtype=torch.float64)
    supernet.mix({"operation": gates}, {"operation": [1]})
    torch.testing.assert_close(supernet(X), 0.5 * cropped(layer.get_submodule("sep_conv"), WHOLE, X))
    assert [name for name, _ in layer.running()] == ["sep_conv"]
    running = {parameter for parameter, _ in supernet.active_regions()}
    assert running == set(layer.get_submodule("sep_conv").parameters())


def test_one_hot_gates_leave_what_is_not_chosen_without_gradient() -> None:
    supernet, layer = entangled()
    supernet.mix(one_hot_gates(supernet, {"operation": "dil_conv_3x3"}))
    torch.autograd.backward(supernet(X).sin().sum())
    depthwise = layer.get_submodule("dil_conv").get_submodule("1").get_parameter("weight").grad
    assert depthwise is not None and torch.equal(depthwise, depthwise * CENTRE) and depthwise.count_nonzero() == 27
    others = [parameter.grad for parameter in layer.get_submodule("sep_conv").parameters()]
    assert all(grad is None or grad.count_nonzero() == 0 for grad in others)


def find(space: str) -> Notation:
    notation = find_notation(space)
    assert notation is not None
    return notation


def test_the_spaces_are_registered() -> None:
    registered = {entry.name: entry for entry in entry_points(group="nas.spaces")}
    assert {name: registered[name].load() for name in ("darts", "toy_cell", "toy_conv")} == {
        "darts": darts,
        "toy_cell": toy_cell,
        "toy_conv": toy_conv,
    }
    assert find("toy_cell").columns == ("normal", "reduce") and find("toy_conv").columns == ("channels", "kernels")


def test_every_network_of_the_benchmark_is_read_back() -> None:
    cells, convolutions = on_meta(toy_cell).space, on_meta(toy_conv).space
    for seed in range(20):
        cell = cells.sample(seed)
        texts = [
            "|".join(cell[f"{kind}.edge_{edge}"] for edge in ("0_1", "0_2", "1_2")) for kind in ("normal", "reduce")
        ]
        assert cells.architecture(find("toy_cell").parse(*texts)) == cell
        net = convolutions.sample(seed)
        channels = [net[f"conv{number}.channels"] for number in range(1, 5)]
        kernels = [net[f"conv{number}.kernel"] for number in range(1, 5)]
        for c, k in ((channels, kernels), ("|".join(map(str, channels)), str(kernels))):
            assert convolutions.architecture(find("toy_conv").parse(c, k)) == net
    assert set(KERNELS) == {3, 5, 7} and len(WIDTHS) == 4


CELL = "sep_conv_3x3|sep_conv_3x3|dil_conv_5x5"
MISTAKES: list[tuple[str, list[Any], str]] = [
    ("toy_cell", [CELL, "sep_conv_3x3|none|sep_conv_3x3"], "'sep_conv_3x3|none|sep_conv_3x3' is no reduce cell of"),
    ("toy_cell", ["sep_conv_3x3", CELL], "'sep_conv_3x3' is no normal cell .* write its three operations like"),
    ("toy_cell", [None, CELL], "None is no normal cell"),
    ("toy_conv", ["8|16|32", "3|3|3|3"], r"channels is \[8, 16, 32\]; expected one integer for each of four layers"),
    ("toy_conv", ["8|16|32|64", "3|x|3|3"], r"kernels is \[3, 'x', 3, 3\]; expected one integer"),
    ("toy_conv", [[8, 16, 32, 64.0], "3|3|3|3"], "channels is .* expected one integer"),
    ("toy_conv", [8, "3|3|3|3"], "channels is 8; expected one integer"),
]


@pytest.mark.parametrize(("space", "values", "message"), MISTAKES)
def test_a_text_of_another_form_is_refused_in_one_sentence(space: str, values: list[Any], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("|", r"\|")):
        find(space).parse(*values)


def test_the_published_table_of_cells_is_read_and_counts_parameters_with_the_cells_exchanged() -> None:
    path = SHARED / "tanglenas_toy" / "cell_fashion_mnist.parquet"
    if not path.is_file():
        pytest.skip(f"no copy of the table in NAS_SHARED_DATA ({path})")
    pandas = pytest.importorskip("pandas")
    table = pandas.read_parquet(path)
    supernet = on_meta(toy_cell)
    parse = find("toy_cell").parse
    read = {supernet.space.architecture(parse(*row)) for row in zip(table.normal, table.reduce, strict=True)}
    assert len(read) == len(table) == supernet.space.size
    for row in table.sample(12, random_state=0).itertuples():
        assert parameters(supernet, parse(row.reduce, row.normal)) == row.num_params
