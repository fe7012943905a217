"""Gates that are one-hot give the discrete path: outputs, gradients and statistics, in float64.

Where the chosen options alone run it is that path bit for bit, but for the order in which gradients are added up.
Where all run, those of weight zero add nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from shipped import MIXABLE, one_hot_gates, perturbed
from small_models import Fed, SelfAttention, same
from torch import Tensor, nn

import nas
from nas.nn import (
    BatchNorm2d,
    Cell,
    Conv2d,
    Elastic,
    ElasticLayer,
    Embedding,
    GroupNorm,
    LayerNorm,
    Linear,
    MultiheadAttention,
    OneOf,
    PartialChannels,
    Repeat,
    SwitchableBatchNorm2d,
    Zero,
    interpolate_channels,
)
from nas.nn.switchable import UngatedConv2d
from nas.space import Choice, Subset, concatenate

WIDTH, KERNEL = Choice([2, 4, 6], name="width"), Choice([3, 5, 7], name="kernel")
HEADS, FACTOR = Choice([1, 2, 4], name="heads"), Choice([1, 2], name="factor")
DEPTH, OPERATION = Choice([0, 1, 3], name="depth"), Choice(["none", "skip", "conv"], name="operation")


def conv(channels: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.Tanh())


def operations(channels: int = 4, choice: Choice = OPERATION) -> OneOf:
    return OneOf({"none": Zero(), "skip": nn.Identity(), "conv": conv(channels)}, choice)


def cell() -> Cell:
    """Three inner nodes; the last two keep two of their edges, whose operations are chosen too."""
    names = {edge: Choice(OPERATION.candidates, name="edge_{}_{}".format(*edge)) for edge in EDGES}
    kept = {node: Subset(range(node), size=2, name=f"node_{node}") for node in (3, 4)}
    return Cell({edge: operations(choice=names[edge]) for edge in EDGES}, 2, "concat", kept=kept)


EDGES = [(source, node) for node in (2, 3, 4) for source in range(node)]
IMAGES, TOKENS = (3, 4, 7, 7), (3, 5, 4)


def between(layer: nn.Module) -> nn.Module:
    """A layer of elastic width between convolutions that make its input and read its output."""
    return nn.Sequential(Conv2d(4, WIDTH, 1), layer, nn.Tanh(), Conv2d(WIDTH, 3, 1))


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Conv2d kernel": (lambda: Conv2d(4, 3, KERNEL, padding=KERNEL // 2), IMAGES),
    "Conv2d depthwise": (lambda: between(Conv2d(WIDTH, WIDTH, KERNEL, padding="same", groups=WIDTH)), IMAGES),
    "Conv2d width of two choices": (
        lambda: nn.Sequential(Conv2d(4, WIDTH * FACTOR, KERNEL, padding=KERNEL // 2), Conv2d(WIDTH * FACTOR, 3, 1)),
        IMAGES,
    ),
    "Conv2d concatenation": (
        lambda: nn.Sequential(Conv2d(4, concatenate(WIDTH, FACTOR), 1), Conv2d(concatenate(WIDTH, FACTOR), 3, 1)),
        IMAGES,
    ),
    "BatchNorm2d": (lambda: between(BatchNorm2d(WIDTH)), IMAGES),
    "GroupNorm": (lambda: between(GroupNorm(2, WIDTH)), IMAGES),
    "SwitchableBatchNorm2d": (
        lambda: nn.Sequential(UngatedConv2d(4, WIDTH, 1), SwitchableBatchNorm2d(WIDTH), Conv2d(WIDTH, 3, 1)),
        IMAGES,
    ),
    "LayerNorm": (lambda: nn.Sequential(Linear(4, WIDTH), LayerNorm(WIDTH), Linear(WIDTH, 3)), TOKENS),
    "Linear": (lambda: nn.Sequential(Linear(4, 2 * WIDTH), nn.Tanh(), Linear(2 * WIDTH, 3)), TOKENS),
    "Embedding": (lambda: nn.Sequential(Embedding(5, WIDTH), Linear(WIDTH, 3)), (3, 4)),
    "MultiheadAttention": (
        lambda: nn.Sequential(
            Linear(4, WIDTH), SelfAttention(MultiheadAttention(WIDTH, HEADS, head_dim=2)), Linear(WIDTH, 3)
        ),
        TOKENS,
    ),
    "Repeat": (lambda: Repeat([conv() for _ in range(3)], DEPTH), IMAGES),
    "OneOf": (lambda: nn.Sequential(operations(), operations(), nn.Conv2d(4, 3, 1)), IMAGES),
    "Cell": (lambda: nn.Sequential(Fed(cell(), same, torch.tanh), nn.Conv2d(12, 3, 1)), IMAGES),
    "PartialChannels": (lambda: PartialChannels(operations(2), 4, 2), IMAGES),
    "nested": (
        lambda: OneOf([nn.Identity(), Repeat([operations(), between_four(), operations()], DEPTH)], Choice([0, 1])),
        IMAGES,
    ),
}
REQUIRED = {Cell, PartialChannels, OneOf, Repeat, SwitchableBatchNorm2d, UngatedConv2d, Zero, Conv2d, Linear, Embedding}
ROUNDED = {"LayerNorm", "GroupNorm", "SwitchableBatchNorm2d", "MultiheadAttention", "transformer_lm", "autoformer"}


def between_four() -> nn.Module:
    return nn.Sequential(Conv2d(4, WIDTH, 1), Conv2d(WIDTH, 4, KERNEL, padding=KERNEL // 2))


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def inputs(shape: tuple[int, ...]) -> Tensor:
    """Images or sequences of vectors; of two dimensions tokens."""
    generator = torch.Generator().manual_seed(1)
    if len(shape) == 2:
        return torch.randint(0, 5, shape, generator=generator)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def supernet_of(make: Callable[[], nn.Module]) -> nas.Supernet:
    return perturbed(make().double()).double()


def some(supernet: nas.Supernet, count: int) -> list[nas.Architecture]:
    space = supernet.space
    return [space.smallest(), space.largest(), *(space.sample(seed) for seed in range(count))]


def chosen(gates: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """The positions of the options that weigh something."""
    return {name: gate.detach().nonzero().flatten().tolist() for name, gate in gates.items()}


def passed(supernet: nas.Supernet, x: Tensor, before: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Output and gradients, that of the input included, of a pass that starts from the statistics ``before``."""
    supernet.load_state_dict(before)
    supernet.zero_grad()
    x.grad = None
    y: Tensor = supernet(x)
    torch.autograd.backward(y.sin().sum())
    return y.detach(), {"input": x.grad, **{name: parameter.grad for name, parameter in supernet.named_parameters()}}


def check(supernet: nas.Supernet, x: Tensor, architecture: nas.Architecture, exact: bool = True) -> None:
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    supernet.activate(architecture)
    y, gradients = passed(supernet, x, before)
    statistics = {name: buffer.clone() for name, buffer in supernet.named_buffers()}
    gates = one_hot_gates(supernet, architecture)
    supernet.mix(gates, chosen(gates))
    alone, own = passed(supernet, x, before)
    assert torch.equal(alone, y) if exact else torch.allclose(alone, y, rtol=1e-12, atol=1e-13)
    for name, gradient in gradients.items():
        assert (own[name] is None) == (gradient is None), f"{name}: what is not chosen does not run"
        assert_close(own[name], gradient, name)
    for name, buffer in supernet.named_buffers():
        assert torch.equal(buffer, statistics[name]), name
    supernet.mix(gates)
    mixed, shared = passed(supernet, x, before)
    torch.testing.assert_close(mixed, y, rtol=1e-11, atol=1e-12)
    for name, gradient in gradients.items():
        assert_close(shared[name], gradient, name)
    assert all(gate.grad is None or gate.grad.isfinite().all() for gate in gates.values())


def assert_close(gradient: Tensor | None, expected: Tensor | None, name: str) -> None:
    """Equal up to rounding errors; what has no gradient may have one of zeros."""
    if gradient is None or expected is None:
        assert all(each is None or not each.any() for each in (gradient, expected)), name
    else:
        assert torch.allclose(gradient, expected, rtol=1e-10, atol=1e-12), name


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_under_one_hot_gates_is_that_of_the_architecture(name: str, training: bool) -> None:
    make, shape = LAYERS[name]
    supernet = supernet_of(make).train(training)
    for architecture in some(supernet, 4):
        check(supernet, inputs(shape), architecture, exact=name not in ROUNDED)


@pytest.mark.parametrize("name", MIXABLE)
def test_a_shipped_space_under_one_hot_gates_is_the_discrete_path(name: str) -> None:
    supernet = supernet_of(MIXABLE[name])
    for architecture in some(supernet, 2):
        check(supernet, inputs((4, *MIXABLE[name].input_shape)), architecture, exact=name not in ROUNDED)


def test_every_module_with_choices_is_covered() -> None:
    """Layers of a table are covered by the tests of every layer."""
    exported = {value for name in nas.nn.__all__ if isinstance(value := getattr(nas.nn, name), type)}
    followers = {kind for kind in exported if issubclass(kind, Elastic) and "forward" in vars(kind)} - {ElasticLayer}
    used = {type(module) for make, _ in LAYERS.values() for module in make().modules()}
    assert followers <= used
    assert used >= REQUIRED


@pytest.mark.parametrize("elements", [(0, 1), (0, 2), (1, 2)])
def test_elements_of_a_subset_that_are_left_out_are_edges_that_do_not_run(elements: tuple[int, int]) -> None:
    kept = Subset(range(3), size=2, name="kept")
    edges = {(source, 3): nn.Conv2d(2, 2, 1) for source in range(3)}
    supernet = supernet_of(lambda: Fed(Cell(edges, 3, kept={3: kept}), same, lambda x: 2 * x, lambda x: 3 * x))
    gates = one_hot_gates(supernet, {"kept": elements})
    x = inputs((2, 2, 3, 3))
    expected = sum(edges[source, 3](x * (source + 1)) for source in elements)
    for active in (None, {"kept": list(elements)}):
        supernet.mix(gates, active)
        torch.testing.assert_close(supernet(x), expected, rtol=1e-13, atol=1e-13)
    supernet.mix(gates, {"kept": list(elements)})
    torch.autograd.backward(supernet(x).sum())
    assert [edges[source, 3].weight.grad is not None for source in range(3)] == [s in elements for s in range(3)]


def test_interpolated_widths_are_those_of_the_widest_that_runs() -> None:
    """Interpolation is not blind to widths of weight zero, so one-hot gates need the others idle."""
    layers = [UngatedConv2d(4, WIDTH, 1), SwitchableBatchNorm2d(WIDTH, align=interpolate_channels)]
    supernet = supernet_of(lambda: nn.Sequential(*layers))
    architecture: dict[str, Any] = {"width": 4}
    supernet.activate(architecture)
    x = inputs(IMAGES)
    y = supernet(x)
    supernet.mix(one_hot_gates(supernet, architecture), {"width": [1]})
    assert torch.equal(supernet(x), y)
    supernet.mix(one_hot_gates(supernet, architecture), {"width": [0, 1]})
    torch.testing.assert_close(supernet(x), y, rtol=1e-12, atol=1e-12)
