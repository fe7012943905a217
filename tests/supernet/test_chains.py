"""A forward of a model's own is opened where it is a chain, and only there."""

import copy
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nas
from nas.costs import StaticCosts
from nas.evaluation.trie import Trie
from nas.nn import BatchNorm2d, Conv2d, Linear, OneOf, Repeat
from nas.space import Choice


class Basic(nn.Module):
    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


def stage() -> Repeat:
    blocks = [OneOf({"k3": Basic(8, 3), "k5": Basic(8, 5), "skip": nn.Identity()}) for _ in range(3)]
    return Repeat(blocks, Choice([1, 2, 3]))


class Residual(nn.Module):
    """Written as torchvision writes them: stem, stages, head, functions between."""

    def __init__(self) -> None:
        super().__init__()
        hidden = Choice([4, 8], name="hidden")
        self.fc = nn.Linear(8, 5)
        self.relu, self.dropout = nn.ReLU(inplace=True), nn.Dropout(0.3)
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.layer1, self.layer2 = stage(), stage()
        self.reduce, self.norm, self.expand = Conv2d(8, hidden, 1), BatchNorm2d(hidden), Conv2d(hidden, 8, 1)

    def _features(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x / 2)))
        x = F.max_pool2d(self.layer1(x), 2)
        x = x + self.expand(self.relu(self.norm(self.reduce(x))))
        return self.layer2(self.relu(x))

    def forward(self, x: Tensor) -> Tensor:
        x = self._features(x)
        x = x.mean((2, 3)).view(x.size(0), -1)
        return self.fc(self.dropout(x))


def test_a_residual_network_is_opened_block_by_block() -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(Residual(), input_shape=(3, 8, 8)).eval()
    assert supernet.unopened is None
    architecture = {"layer1.depth": 2, "layer1.0": "k3", "layer1.1": "skip", "layer2.depth": 1, "layer2.0": "k5"}
    supernet.activate({**architecture, "hidden": 4})
    kinds = [(segment.path, segment.kind) for _, segment in supernet.segments()]
    assert kinds == [
        ("conv1", "truediv + Conv2d"),
        ("bn1", "BatchNorm2d"),
        ("relu", "ReLU"),
        ("layer1.0.k3", "Basic"),
        ("layer1.1.skip", "Identity"),
        ("reduce", "max_pool2d + Conv2d + BatchNorm2d + ReLU + Conv2d + add"),
        ("relu", "ReLU"),
        ("layer2.0.k5", "Basic"),
        ("dropout", "mean + size + view + Dropout"),
        ("fc", "Linear"),
    ]
    ((_, branch),) = [(key, each) for key, each in supernet.segments() if each.path == "reduce"]
    assert branch.paths == ("reduce", "norm", "relu", "expand")


@pytest.mark.parametrize("training", [False, True])
def test_segments_give_what_the_model_gives_bit_for_bit(training: bool) -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(Residual(), input_shape=(3, 8, 8)).train(training)
    supernet.model.get_submodule("dropout").eval()
    x = torch.randn(4, 3, 8, 8)
    for seed in range(20):
        supernet.activate(supernet.space.sample(seed))
        before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
        whole = supernet(x.clone())
        after = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
        supernet.load_state_dict(before)
        y = x.clone()
        for _, segment in supernet.segments():
            y = segment.module(y)
        assert torch.equal(y, whole)
        assert all(torch.equal(tensor, after[name]) for name, tensor in supernet.state_dict().items())


def test_the_trie_shares_what_candidates_have_in_common_and_changes_no_number() -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(Residual(), input_shape=(3, 8, 8)).eval()
    x, batches = torch.randn(4, 3, 8, 8), [torch.randn(8, 3, 8, 8) for _ in range(2)]
    population = [supernet.space.sample(seed) for seed in range(24)]
    together = Trie(supernet, population)
    assert together.blocks < 0.7 * together.blocks_alone
    together.calibrate(batches)
    for architecture, output in zip(population, together.outputs(x), strict=True):
        supernet.activate(architecture)
        network = supernet.extract(architecture).eval()
        norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        with torch.no_grad():
            for batch in batches:
                network(batch)
            torch.testing.assert_close(network.eval()(x), output, rtol=1e-5, atol=1e-5)


def test_a_key_holds_all_choices_of_a_step() -> None:
    supernet = nas.Supernet(Residual(), input_shape=(3, 8, 8))
    keys = []
    for hidden in (4, 8):
        supernet.activate({**supernet.space.largest(), "hidden": hidden})
        keys.append([key for key, segment in supernet.segments()])
    (differing,) = [pair for pair in zip(*keys, strict=True) if pair[0] != pair[1]]
    assert differing[0][0] == "reduce"


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.width = Choice([2, 4], name="width")
        self.first, self.second, self.square = Linear(3, self.width), Linear(self.width, 3), nn.Linear(3, 3)
        self.bias = nn.Parameter(torch.zeros(3))
        self.calls, self.scale, self.seen = 0, 2.0, [0]

    def chain(self, x: Tensor) -> Tensor:
        y: Tensor = self.square(self.second(self.first(x)))
        return y


def odd(forward: Callable[..., object]) -> nn.Module:
    return type("Odd", (Odd,), {"forward": forward})()


def by_training(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) if self.training else self.chain(x) * 2


def by_value(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) if x.sum() > 0 else x


def functional_dropout(self: Odd, x: Tensor) -> Tensor:
    return F.dropout(self.chain(x), 0.5, self.training)


def always_dropout(self: Odd, x: Tensor) -> Tensor:
    return F.dropout(self.chain(x), 0.5)


def noise(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) + torch.randn_like(x)


def luck(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) if random.random() < 0.5 else self.chain(x) * 2


def counts(self: Odd, x: Tensor) -> Tensor:
    self.calls += 1
    return self.chain(x)


def remembers(self: Odd, x: Tensor) -> Tensor:
    self.seen.append(1)
    return self.chain(x)


def own_parameter(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) + self.bias


def several(self: Odd, x: Tensor, y: Tensor | None = None) -> Tensor:
    return self.chain(x)


def any_number(self: Odd, *x: Tensor) -> Tensor:
    return self.chain(x[0])


def pair(self: Odd, x: Tensor) -> tuple[Tensor, Tensor]:
    return self.chain(x), x


def twice(self: Odd, x: Tensor) -> Tensor:
    return self.square(self.chain(x))  # type: ignore[no-any-return]


def unused(self: Odd, x: Tensor) -> Tensor:
    self.square(x)
    return self.chain(x)


def in_place_aside(self: Odd, x: Tensor) -> Tensor:
    y = self.second(self.first(x))
    y.relu_()
    return self.square(y)  # type: ignore[no-any-return]


def without_gradients(self: Odd, x: Tensor) -> Tensor:
    with torch.no_grad():
        x = self.first(x)
    return self.square(self.second(x))  # type: ignore[no-any-return]


def by_architecture(self: Odd, x: Tensor) -> Tensor:
    wide = self.first.state.regions["weight"][0][0][1] == 4
    return self.chain(x) * (2 if wide else 3)


def by_gradients(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * (2 if torch.is_grad_enabled() else 3)


def by_list(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * len(self.seen)


def by_all_attributes(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * vars(self)["scale"]  # type: ignore[no-any-return]


def by_size_of_weights(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * sum(each.numel() for each in self.parameters())


def by_child(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * self.square.in_features


def by_absence_in_a_child(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * (2 if hasattr(self.square, "scale") else 3)


def by_words(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * len(repr(self.square))


def by_mode_of_a_child(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * (2 if self.square.training else 3)


def swallows(self: Odd, x: Tensor) -> Tensor:
    try:
        factor = self.square.in_features
    except Exception:
        factor = 2
    return self.chain(x) * factor


OUTSIDE = nn.Linear(3, 3)


def by_a_module_outside(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * OUTSIDE.in_features


def makes_a_module(self: Odd, x: Tensor) -> Tensor:
    return nn.LeakyReLU(0.1)(self.chain(x))  # type: ignore[no-any-return]


def past_the_call(self: Odd, x: Tensor) -> Tensor:
    return self.square.forward(self.second(self.first(x)))  # type: ignore[no-any-return]


def marks_a_child(self: Odd, x: Tensor) -> Tensor:
    self.square.seen = True  # type: ignore[assignment]
    return self.chain(x)


def marks_itself_unseen(self: Odd, x: Tensor) -> Tensor:
    object.__setattr__(self, "last", x)
    return self.chain(x)


def constant(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) + torch.ones(3)


@torch.no_grad()
def wrapped(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x)


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (by_training, "other things in training"),
        (by_value, "it decides by its input, or counts or unpacks it"),
        (functional_dropout, "other things in training"),
        (always_dropout, "'dropout' draws random numbers"),
        (noise, "'randn_like' draws random numbers"),
        (luck, "draws random numbers"),
        (counts, "changes attributes"),
        (remembers, "it reads 'seen', a list, which may change"),
        (own_parameter, "reads 'bias' by itself"),
        (several, "takes other than one input"),
        (any_number, "takes other than one input"),
        (pair, "gives other than the value it computed last"),
        (twice, "calls 'square' several times"),
        (unused, "computes 'square' and does not use it"),
        (in_place_aside, "computes 'relu_' and does not use it"),
        (without_gradients, "switches gradients"),
        (by_architecture, "it reads 'state' of module 'first'"),
        (by_gradients, "other things in training"),
        (by_list, "it reads 'seen', a list, which may change"),
        (by_all_attributes, "it reads '__dict__', a dict, which may change"),
        (by_size_of_weights, "it reads 'parameters', a method, which may change"),
        (by_child, "it reads 'in_features' of module 'square'"),
        (by_absence_in_a_child, "it reads 'scale' of module 'square'"),
        (by_words, "it reads 'in_features' of module 'square'"),
        (by_mode_of_a_child, "it reads 'training' of module 'square'"),
        (swallows, "it reads 'in_features' of module 'square'"),
        (by_a_module_outside, "it reads 'in_features' of a module that is not in the model"),
        (makes_a_module, "it makes modules of its own"),
        (past_the_call, "it reads 'forward' of module 'square'"),
        (marks_a_child, "it changes attributes"),
        (marks_itself_unseen, "it changes attributes"),
        (constant, "it makes a tensor of its own"),
        (wrapped, "wrapped by another function"),
    ],
)
def test_what_is_in_doubt_runs_as_a_whole_and_says_why(forward: Callable[..., object], reason: str) -> None:
    model = odd(forward)
    attributes = dict(vars(model))
    supernet = nas.Supernet(model)
    assert supernet.unopened is not None and reason in supernet.unopened
    assert [segment.path for _, segment in supernet.segments()] == [""]
    assert {name: value for name, value in vars(model).items() if name in ("calls", "seen", "training")} == {
        name: attributes[name] for name in ("calls", "seen", "training")
    }
    assert model.seen == [0]


def scaled(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * self.scale


def test_a_model_that_changed_after_it_was_read_runs_as_a_whole() -> None:
    supernet = nas.Supernet(odd(scaled), input_shape=(3,))
    assert len(supernet.segments()) == 3
    supernet.model.scale = 3.0
    assert len(supernet.segments()) == 1
    supernet.model.scale = 2.0
    handle = supernet.model.register_forward_hook(lambda module, inputs, output: output * 2)
    assert len(supernet.segments()) == 1
    handle.remove()
    assert len(supernet.segments()) == 3


class Listing(nn.Module):
    """Calls what its lists hold, in the ways in which models do."""

    def __init__(self) -> None:
        super().__init__()
        self.width = Choice([2, 4], name="width")
        self.blocks = nn.ModuleList([Linear(3, self.width), Linear(self.width, 3)])
        self.tail = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
        self.last: nn.Module | None = None
        self.act, self.shape, self.twice = F.relu, (2, "x"), False

    @property
    def halved(self) -> float:
        return self.half / 2

    half = 1.0

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = self.act(block(x)) * self.halved
        for name, layer in self.tail.named_children():
            x = layer(x) if name else x
        if self.last is not None:
            x = self.last(x)
        x = self.get_submodule("tail.1")(x) * self.shape[0]
        return x * 2 if self.twice or hasattr(self, "extra") or isinstance(self.tail[0], Linear) else x


def append(model: Listing) -> None:
    model.blocks.append(nn.Tanh())


def replace(model: Listing) -> None:
    model.tail[1] = nn.ReLU()


def own_forward(model: Listing) -> None:
    model.forward = lambda x: x  # type: ignore[method-assign]


def changed_class(model: Listing) -> None:
    model.__class__ = type("Other", (Listing,), {"forward": lambda self, x: x})


@pytest.mark.parametrize(
    "change",
    [
        append,
        replace,
        own_forward,
        changed_class,
        lambda model: setattr(model, "last", nn.Tanh()),
        lambda model: setattr(model, "act", F.gelu),
        lambda model: setattr(model, "shape", (3, "x")),
        lambda model: setattr(model, "half", 2.0),
        lambda model: setattr(model, "twice", True),
        lambda model: setattr(model, "extra", None),
    ],
)
def test_lists_of_modules_are_opened_until_anything_that_was_read_changes(change: Callable[[Listing], None]) -> None:
    supernet = nas.Supernet(Listing(), input_shape=(3,))
    assert supernet.unopened is None
    x = torch.randn(2, 3)
    for architecture in (supernet.space.smallest(), supernet.space.largest()):
        supernet.activate(architecture)
        y = x
        for _, segment in supernet.segments():
            y = segment.module(y)
        torch.testing.assert_close(y, supernet(x), rtol=0, atol=0)
    assert [segment.path for _, segment in supernet.segments()] == [
        "blocks.0",
        "blocks.1",
        "tail.0",
        "tail.1",
        "tail.1",
    ]
    supernet.model.unread, supernet.model.training = [1], False
    assert len(supernet.segments()) == 5 and len(copy.deepcopy(supernet).segments()) == 5
    change(supernet.model)
    assert [segment.path for _, segment in supernet.segments()] == [""]


class Gives(nn.Module):
    def __init__(self, wrap: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.layer, self.wrap = nn.Linear(3, 3), wrap

    def forward(self, x: Tensor) -> object:
        return self.wrap(self.layer(x))


class Takes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = Linear(3, Choice([2, 4], name="width"))

    def forward(self, x: object) -> object:
        return self.layer(x if isinstance(x, Tensor) else next(iter(x.values() if isinstance(x, dict) else x)))


class BodyAndHead(nn.Module):
    def __init__(self, wrap: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.body, self.head = Gives(wrap), Takes()

    def forward(self, x: Tensor) -> object:
        return self.head(self.body(x))


@pytest.mark.parametrize(
    ("wrap", "reason"),
    [
        (lambda x: (x, x), "'body' gives a tuple, not one tensor"),
        (lambda x: {"features": x}, "'body' gives a dict, not one tensor"),
        (lambda x: [x] if x.sum() > 0 else x, "what 'body' gives cannot be told without values"),
    ],
)
def test_blocks_that_pass_on_other_than_one_tensor_are_one_segment(
    wrap: Callable[[Tensor], object], reason: str
) -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(BodyAndHead(wrap), input_shape=(3,)).eval()
    assert supernet.unopened == reason
    population = [supernet.space.largest()]
    x = torch.randn(2, 3)
    (output,) = Trie(supernet, population).outputs(x)
    with torch.no_grad():
        torch.testing.assert_close(output, supernet(x), rtol=0, atol=0)
    if "told" not in reason:
        assert StaticCosts(supernet, (3,))(population[0])["params"] == 12 + 16


def test_a_body_that_passes_on_one_tensor_is_a_segment() -> None:
    supernet = nas.Supernet(BodyAndHead(lambda x: x), input_shape=(3,))
    assert supernet.unopened is None and len(supernet.segments()) == 2


def test_a_candidate_in_the_middle_that_gives_a_tuple_keeps_the_model_whole() -> None:
    model = BodyAndHead(lambda x: x)
    large = nn.Sequential(nn.Linear(3, 9), nn.Linear(9, 3))
    model.body = OneOf({"small": nn.Identity(), "pair": Gives(lambda x: (x, x)), "large": large})  # type: ignore[assignment]
    supernet = nas.Supernet(model, input_shape=(3,))
    order = supernet.space.order["body"]
    assert [supernet.space.choices["body"][each] for each in order] == ["small", "pair", "large"]
    assert supernet.unopened == "'body.pair' gives a tuple, not one tensor"


def own_list(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) + self.tensors[0]  # type: ignore[index]


def test_a_tensor_in_a_list_is_a_tensor_of_the_model() -> None:
    model = odd(own_list)
    model.tensors = nn.ParameterList([nn.Parameter(torch.ones(3))])
    assert nas.Supernet(model).unopened == "it reads 'tensors.0' by itself"


def test_without_the_shape_of_the_input_a_forward_is_not_opened() -> None:
    assert nas.Supernet(Listing()).unopened == "the shape of its input is not known (input_shape of nas.Supernet)"


class ByKernel(nn.Module):
    """Does other things for a candidate in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = Choice([3, 5, 7], name="kernel")
        self.a = Conv2d(1, 2, self.kernel, padding=self.kernel // 2)
        self.b = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        return self.b(x) * (2 if self.a.state.regions["weight"][2:3] == (((1, 6),),) else 3)


def test_a_forward_that_differs_for_a_candidate_in_the_middle_is_not_opened() -> None:
    supernet = nas.Supernet(ByKernel(), input_shape=(1, 8, 8)).eval()
    assert supernet.unopened == "it reads 'state' of module 'a'"
    population = [supernet.space.architecture({"kernel": kernel}) for kernel in (3, 5, 7)]
    x = torch.randn(2, 1, 8, 8)
    for architecture, output in zip(population, Trie(supernet, population).outputs(x), strict=True):
        supernet.activate(architecture)
        with torch.no_grad():
            torch.testing.assert_close(output, supernet(x), rtol=0, atol=0)
