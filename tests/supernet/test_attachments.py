"""What is attached to an elastic layer is in the extracted network, or the model is refused when it is built."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

import nas
from nas.costs import StaticCosts, parameters
from nas.nn import BatchNorm2d, Conv2d, Linear, OneOf, Repeat
from nas.space import Choice


class SameConv(Conv2d):
    """The SAME padding of TensorFlow, which depends on the size of the input."""

    def forward(self, x: Tensor) -> Tensor:
        (h, w), (sh, sw), (kh, kw) = x.shape[-2:], self.state.stride, self.state.kernel
        ph, pw = max((-(-h // sh) - 1) * sh + kh - h, 0), max((-(-w // sw) - 1) * sw + kw - w, 0)
        return super().forward(F.pad(x, (pw // 2, pw - pw // 2, ph // 2, ph - ph // 2)))


class Standardised(Conv2d):
    """Weight standardisation: the forward reads the part that is in use itself."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.part("weight")
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.part("bias"), self.state.stride, self.state.padding)


class Scaled(Conv2d):
    """A parameter, a module and a number of its own."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.gain, self.after, self.shift = nn.Parameter(torch.tensor(0.7)), nn.PReLU(), 0.3

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.after(super().forward(x) * self.gain) + self.shift
        return y


class Padded(Conv2d):
    """Other defaults, the forward of the layer."""

    def __init__(self, inputs: Any, outputs: Any, kernel: Any) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)


class DoubledNorm(BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def model(change: Callable[[nn.Module], nn.Module] = nn.Sequential, conv: type[nn.Module] = Conv2d) -> nn.Module:
    width, kernel = Choice([4, 8], name="width"), Choice([3, 5], name="kernel")
    middle = change(conv(width, width, kernel))
    return nn.Sequential(
        Conv2d(1, width, 3), middle, BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        Linear(width, 3),
    )  # fmt: skip


def old_style(norm: Callable[[nn.Module], nn.Module]) -> Callable[[nn.Module], nn.Module]:
    def change(layer: nn.Module) -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return norm(layer)

    return change


def hooked(layer: nn.Module) -> nn.Module:
    layer.register_forward_pre_hook(lambda module, inputs: inputs[0] * 2)
    layer.register_forward_hook(lambda module, inputs, output: output + 1)
    return layer


CHANGES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "weight norm, old style": old_style(weight_norm),
    "spectral norm, old style": old_style(spectral_norm),
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", amount=0.4),
    "pruned twice": lambda layer: prune.random_unstructured(
        prune.l1_unstructured(layer, "weight", amount=0.4), "weight", amount=0.5
    ),
    "hooks": hooked,
}
KINDS = [SameConv, Standardised, Scaled, Padded]


def prepared(made: nn.Module) -> nas.Supernet:
    """With a pass in training behind it."""
    supernet = nas.Supernet(made)
    supernet.train()(torch.randn(8, 1, 9, 9)).sum().backward()
    return supernet.eval()


def check(supernet: nas.Supernet) -> None:
    x = torch.randn(4, 1, 9, 9)
    costs = StaticCosts(supernet, (1, 9, 9))
    for architecture in supernet.space:
        supernet.activate(architecture)
        network = supernet.extract(architecture)
        torch.testing.assert_close(network(x), supernet(x), rtol=1e-5, atol=1e-6)
        assert not any(isinstance(each, nas.nn.Elastic) for each in network.modules())
        assert costs(architecture)["params"] == parameters(network)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_attached_is_extracted(change: Callable[[nn.Module], nn.Module]) -> None:
    check(prepared(model(change)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_subclass_is_extracted_with_its_forward(kind: type[nn.Module]) -> None:
    check(prepared(model(conv=kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_subclass_that_is_parametrised_is_extracted(kind: type[nn.Module]) -> None:
    check(prepared(model(parametrizations.weight_norm, kind)))


def test_a_batch_norm_with_a_forward_of_its_own_still_holds_a_batch_norm() -> None:
    width = Choice([4, 8])
    supernet = prepared(nn.Sequential(Conv2d(1, width, 3), DoubledNorm(width), nn.Flatten(1)))
    network = supernet.extract(supernet.space.smallest())
    assert [type(each) for each in network[1].children()] == [nn.BatchNorm2d]
    check(supernet)


def test_the_extracted_layer_trains_in_both_modes_as_the_twin_does() -> None:
    supernet = prepared(model(conv=Scaled))
    network = supernet.extract(supernet.space.largest())
    names = {name for name, _ in network[1][0].named_parameters()}
    assert names == {"inherited.weight", "inherited.bias", "gain", "after.weight"}
    nas.nn.initialise(network[1][0].inherited, 0)


def test_attributes_and_modules_that_only_others_read_are_kept() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = Conv2d(1, Choice([2, 4]), 3)
            self.conv.scale, self.conv.after = 3.0, nn.Tanh()
            self.conv.register_buffer("offset", torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.conv.after(self.conv(x) * self.conv.scale + self.conv.offset)
            return y

    check(prepared(Around()))


def test_an_extracted_layer_shares_nothing_with_the_supernet() -> None:
    supernet = prepared(model(parametrizations.weight_norm, Scaled))
    network = supernet.extract(supernet.space.largest())
    mine = {each.untyped_storage().data_ptr() for each in (*network.parameters(), *network.buffers())}
    assert mine.isdisjoint(each.untyped_storage().data_ptr() for each in (*supernet.parameters(), *supernet.buffers()))


def test_frozen_parameters_stay_frozen() -> None:
    supernet = prepared(model(parametrizations.weight_norm))
    supernet.model[1].requires_grad_(False)
    network = supernet.extract(supernet.space.smallest())
    assert [parameter.requires_grad for parameter in network[1].parameters()] == [False, False]
    assert all(parameter.requires_grad for parameter in network[6].parameters())


class Branching(Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x)
        return y if x.sum() > 0 else -y


class Modal(Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.dropout(x, 0.5, self.training))


class Inner(Conv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002
        return super()._conv_forward(input * 2, weight, bias)


class Function(Linear):
    def functional(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return 2 * super().functional(x, weight, bias)


class Halved(OneOf):
    def forward(self, *inputs: Any) -> Tensor:
        return super().forward(*inputs) / 2


def replaced() -> nn.Module:
    made = model()
    forward = made[0].forward
    made[0].forward = lambda x: 2 * forward(x)
    return made


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a forward that branches": (lambda: model(conv=Branching), r"'1\.0': the forward of Branching cannot be traced"),
    "a forward that asks for the mode": (lambda: model(conv=Modal), r"'1\.0': the forward of Modal does other things"),
    "an inner method": (lambda: model(conv=Inner), r"'1\.0' is a Inner, which defines _conv_forward"),
    "another function": (lambda: Function(4, Choice([2, 3])), "'' is a Function, which defines functional"),
    "a hook on a parameter": (
        lambda: nn.ParameterList([hooked(nas.nn.Parameter((Choice([2, 3]),)))]),
        r"'0' is a Parameter with a hook, .* register it on a module that uses it",
    ),
    "a parameter in a list": (
        lambda: nn.ModuleList([nas.nn.Parameter((Choice([2, 3]),))]),
        "'' is a ModuleList that holds a nas.nn.Parameter, .* give it to a module as an attribute",
    ),
    "a container with a forward": (lambda: nn.Sequential(Halved([nn.Tanh(), nn.ReLU()])), r"'0' is a Halved with a f"),
    "a container with a hook": (
        lambda: nn.Sequential(hooked(Repeat([nn.Tanh()], Choice([0, 1])))),
        r"'0' is a Repeat with a hook",
    ),
    "a module of no size yet": (
        lambda: nn.Sequential(OneOf([nn.Tanh(), nn.ReLU()]), nn.LazyLinear(3)),
        r"'1' is a LazyLinear, whose size is not known .* by torch\.nn\.Linear",
    ),
    "a forward that was replaced": (replaced, r"the forward of '0' \(Conv2d\) was replaced"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_kept_is_refused_when_the_supernet_is_built(
    make: Callable[[], nn.Module], sentence: str
) -> None:
    with pytest.raises(nas.UsageError, match=sentence):
        nas.Supernet(make())


def test_a_hook_that_came_later_is_refused_when_a_network_is_extracted() -> None:
    supernet = nas.Supernet(nn.Sequential(OneOf([nn.Tanh(), nn.ReLU()])))
    hooked(supernet.model[0])
    with pytest.raises(nas.UsageError, match="'0' is a OneOf with a hook"):
        supernet.extract(supernet.space.smallest())


def test_a_module_that_was_replaced_is_noticed() -> None:
    supernet = nn.SyncBatchNorm.convert_sync_batchnorm(nas.Supernet(model()))
    with pytest.raises(nas.UsageError, match=r"'2', a BatchNorm2d .* was replaced by a SyncBatchNorm .* Leave Sync"):
        supernet.activate(supernet.space.smallest())
    supernet = nas.Supernet(model())
    supernet.model[1] = nn.Identity()
    with pytest.raises(nas.UsageError, match=r"'1', a Sequential .* was replaced by a Identity"):
        supernet.extract(supernet.space.smallest())


def test_arguments_that_are_changed_later_are_extracted() -> None:
    width = Choice([4, 8], name="width")
    conv, norm = Conv2d(1, width, 3), BatchNorm2d(width)
    supernet = nas.Supernet(nn.Sequential(conv, norm, nn.Flatten()))
    norm.eps, norm.momentum, conv.stride = 0.5, 0.3, (2, 2)
    check(prepared(supernet.model))
    for architecture in supernet.space:
        network = supernet.extract(architecture)
        assert (network[1].eps, network[1].momentum, network[0].stride) == (0.5, 0.3, (2, 2))


def test_an_argument_that_is_a_choice_cannot_be_changed_later() -> None:
    conv = Conv2d(1, 4, 3, stride=Choice([1, 2]))
    with pytest.raises(nas.UsageError, match=r"Conv2d stride is Choice\(\[1, 2\]\) and cannot become 3; choices"):
        conv.stride = 3
    with pytest.raises(nas.UsageError, match=r"Conv2d dilation is 1 and cannot become Choice"):
        conv.dilation = Choice([1, 2])


def test_weights_that_are_shared_inside_a_layer_stay_shared() -> None:
    hidden = Choice([3, 5])
    layer = nas.nn.GRU(4, hidden, 2)
    layer.weight_hh_l1 = layer.weight_hh_l0
    network = nas.Supernet(nn.ModuleList([layer])).extract({"0.hidden_size": 3})
    assert network[0].weight_hh_l1 is network[0].weight_hh_l0


class LanguageModel(nn.Module):
    """The embedding is the head."""

    def __init__(self) -> None:
        super().__init__()
        width = Choice([8, 16])
        self.embed, self.head = nas.nn.Embedding(11, width), Linear(width, 11, bias=False)
        self.up, self.down = Linear(width, 2 * width), Linear(2 * width, width)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        y: Tensor = self.head(x + self.down(self.up(x).relu()))
        return y.transpose(1, 2)


def test_tied_parameters_stay_tied() -> None:
    supernet = nas.Supernet(LanguageModel()).eval()
    tokens = torch.randint(0, 11, (2, 5))
    costs = StaticCosts(supernet, (5,), torch.int64)
    for architecture in supernet.space:
        supernet.activate(architecture)
        network = supernet.extract(architecture)
        assert network.head.weight is network.embed.weight
        assert torch.equal(network(tokens), supernet(tokens))
        assert costs(architecture)["params"] == parameters(network)


def test_a_plain_layer_may_be_tied_to_an_elastic_one() -> None:
    kernel = Choice([1, 3])
    first, second = Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)
    second.weight = first.weight
    supernet = nas.Supernet(nn.ModuleList([first, second, Conv2d(4, 4, kernel)]))
    network = supernet.extract(supernet.space.smallest())
    assert network[0].weight is network[1].weight
