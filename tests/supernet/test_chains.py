"""A forward of a model's own is opened where it is a chain, and only there."""

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nas
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
    supernet = nas.Supernet(Residual()).eval()
    assert supernet.unchained is None
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
    supernet = nas.Supernet(Residual()).train(training)
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
    supernet = nas.Supernet(Residual()).eval()
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
    supernet = nas.Supernet(Residual())
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
        (remembers, "changes attributes"),
        (own_parameter, "reads 'bias' by itself"),
        (several, "takes other than one input"),
        (any_number, "takes other than one input"),
        (pair, "gives other than the value it computed last"),
        (twice, "calls 'square' several times"),
        (unused, "computes 'square' and does not use it"),
        (in_place_aside, "computes 'relu_' and does not use it"),
        (without_gradients, "switches gradients"),
        (by_architecture, "other architectures"),
        (wrapped, "wrapped by another function"),
    ],
)
def test_what_is_in_doubt_runs_as_a_whole_and_says_why(forward: Callable[..., object], reason: str) -> None:
    model = odd(forward)
    attributes = dict(vars(model))
    supernet = nas.Supernet(model)
    assert supernet.unchained is not None and reason in supernet.unchained
    assert [segment.path for _, segment in supernet.segments()] == [""]
    assert {name: value for name, value in vars(model).items() if name in ("calls", "seen", "training")} == {
        name: attributes[name] for name in ("calls", "seen", "training")
    }
    assert model.seen == [0]


def scaled(self: Odd, x: Tensor) -> Tensor:
    return self.chain(x) * self.scale


def test_a_model_that_changed_after_it_was_read_runs_as_a_whole() -> None:
    supernet = nas.Supernet(odd(scaled))
    assert len(supernet.segments()) == 3
    supernet.model.scale = 3.0
    assert len(supernet.segments()) == 1
    supernet.model.scale = 2.0
    handle = supernet.model.register_forward_hook(lambda module, inputs, output: output * 2)
    assert len(supernet.segments()) == 1
    handle.remove()
    assert len(supernet.segments()) == 3
