"""Under soft gates one forward of shared weights is the gate-weighted sum of the candidates (checked in float64)."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from slices import put, randomise, take
from small_models import SelfAttention
from torch import Tensor, nn

import nas
from nas.nn import BatchNorm2d, Conv2d, Embedding, GroupNorm, LayerNorm, Linear, MultiheadAttention, OneOf, Repeat
from nas.nn.gate import Gate, Idle
from nas.space import Choice, concatenate

KERNEL = Choice([3, 5, 7], name="kernel")
WIDTH = Choice([2, 4, 6], name="width")
FACTOR = Choice([1, 2, 3], name="factor")
HEADS = Choice([1, 2, 4], name="heads")


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def supernet_of(*modules: nn.Module) -> nas.Supernet:
    supernet = nas.Supernet(nn.Sequential(*modules))
    randomise(supernet)
    return supernet.eval()


def gates_of(supernet: nas.Supernet) -> dict[str, Tensor]:
    """Random probabilities of each choice."""
    return {name: torch.rand(len(c)).softmax(0).requires_grad_() for name, c in supernet.space.choices.items()}


def probability(gates: Mapping[str, Tensor], supernet: nas.Supernet, architecture: Mapping[str, Any]) -> Tensor:
    factors = [gates[name][supernet.space.choices[name].index(value)] for name, value in architecture.items()]
    return torch.stack(factors).prod()


def expectation(supernet: nas.Supernet, gates: Mapping[str, Tensor], x: Tensor, dim: int, width: int) -> Tensor:
    """The sum over all architectures of probability times output, outputs padded to the widest."""
    total = torch.zeros(())
    for architecture in supernet.space:
        supernet.activate(architecture)
        y = supernet(x)
        shape = list(y.shape)
        shape[dim] = width
        padded = torch.zeros(shape).index_copy(dim, torch.arange(y.shape[dim]), y)
        total = total + probability(gates, supernet, architecture) * padded
    return total


IMAGES, TOKENS = (2, 6, 9, 9), (2, 5, 6)
LINEAR_IN_THE_GATES = {
    "kernel": (lambda: Conv2d(6, 3, KERNEL, padding=KERNEL // 2), IMAGES, 1, 3),
    "kernel, same": (lambda: Conv2d(6, 3, KERNEL, padding="same"), IMAGES, 1, 3),
    "rectangle": (lambda: Conv2d(6, 3, (KERNEL, 10 - KERNEL), padding=(KERNEL // 2, (10 - KERNEL) // 2)), IMAGES, 1, 3),
    "dilated": (lambda: Conv2d(6, 3, KERNEL, padding=KERNEL - 1, dilation=2), IMAGES, 1, 3),
    "strided": (lambda: Conv2d(6, 3, KERNEL, padding=KERNEL // 2, stride=2), IMAGES, 1, 3),
    "depthwise kernel": (lambda: Conv2d(6, 6, KERNEL, padding=KERNEL // 2, groups=6), IMAGES, 1, 6),
    "output width": (lambda: Conv2d(6, WIDTH, 3), IMAGES, 1, 6),
    "width of two choices": (lambda: Conv2d(6, WIDTH * FACTOR, 1), IMAGES, 1, 18),
    "width and kernel": (lambda: Conv2d(6, WIDTH, KERNEL, padding=KERNEL // 2), IMAGES, 1, 6),
    "linear": (lambda: Linear(6, WIDTH + 1), TOKENS, -1, 7),
    "heads": (lambda: SelfAttention(MultiheadAttention(6, HEADS, head_dim=3)), TOKENS, -1, 6),
    "operations": (lambda: OneOf([nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(6, 4)]), TOKENS, -1, 4),
    "depth": (
        lambda: Repeat([nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(4)], Choice([0, 2, 4])),
        TOKENS,
        -1,
        6,
    ),
}


@pytest.mark.parametrize(("make", "shape", "dim", "width"), LINEAR_IN_THE_GATES.values(), ids=LINEAR_IN_THE_GATES)
def test_the_mixture_is_the_expectation(make: Any, shape: tuple[int, ...], dim: int, width: int) -> None:
    supernet = supernet_of(make())
    x = torch.randn(shape)
    logits = {name: torch.rand(len(c), requires_grad=True) for name, c in supernet.space.choices.items()}
    gates = {name: logit.softmax(0) for name, logit in logits.items()}
    expected = expectation(supernet, gates, x, dim, width)
    supernet.mix(gates)
    mixed = supernet(x)
    torch.testing.assert_close(mixed, expected, rtol=1e-12, atol=1e-12)
    ours = torch.autograd.grad(mixed.sin().sum(), list(logits.values()), retain_graph=True)
    theirs = torch.autograd.grad(expected.sin().sum(), list(logits.values()))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_embedding_mixes_widths() -> None:
    supernet = supernet_of(Embedding(5, WIDTH))
    tokens, gates = torch.randint(0, 5, (3, 4)), gates_of(supernet)
    expected = expectation(supernet, gates, tokens, -1, 6)
    supernet.mix(gates)
    torch.testing.assert_close(supernet(tokens), expected)


def test_mixed_kernel_is_the_sum_of_padded_slices() -> None:
    layer = Conv2d(2, 3, KERNEL, padding=KERNEL // 2)
    supernet = supernet_of(layer)
    gates = gates_of(supernet)
    supernet.mix(gates)
    mask = layer.state.kernel_mask
    assert mask is not None
    crops = {3: range(2, 5), 5: range(1, 6), 7: range(7)}
    expected = torch.zeros_like(layer.weight)
    for weight, (_, indices) in zip(gates["kernel"], crops.items(), strict=True):
        region = (range(3), range(2), indices, indices)
        expected = expected + weight * put(torch.zeros_like(layer.weight), region, take(layer.weight, region))
    mixed = layer.part("weight") * mask
    torch.testing.assert_close(mixed, expected, rtol=1e-14, atol=1e-14)
    x = torch.randn(2, 2, 9, 9)
    separate = [
        weight * F.conv2d(x, take(layer.weight, (range(3), range(2), i, i)), layer.bias, padding=k // 2)
        for weight, (k, i) in zip(gates["kernel"], crops.items(), strict=True)
    ]
    torch.testing.assert_close(F.conv2d(x, mixed, layer.bias, padding=3), torch.stack(separate).sum(0))
    torch.testing.assert_close(supernet(x), torch.stack(separate).sum(0))


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_masks_its_output(training: bool) -> None:
    layer = BatchNorm2d(WIDTH)
    supernet = supernet_of(layer).train(training)
    x, gates = torch.randn(IMAGES), gates_of(supernet)
    statistics = [layer.get_buffer(name).clone() for name in ("running_mean", "running_var")]
    supernet.mix(gates)
    mask = torch.stack([gates["width"][index:].sum() for index in (0, 0, 1, 1, 2, 2)])
    normal = F.batch_norm(x, statistics[0], statistics[1], layer.weight, layer.bias, training, 0.1, layer.eps)
    torch.testing.assert_close(supernet(x), normal * mask[:, None, None])
    assert torch.equal(layer.get_buffer("running_mean"), statistics[0]), "the same statistics, bit for bit"
    assert torch.equal(layer.get_buffer("running_var"), statistics[1])


def test_batch_norm_passes_the_gradient_of_the_width_on() -> None:
    supernet = supernet_of(Conv2d(6, WIDTH, 1), BatchNorm2d(WIDTH), nn.ReLU()).train()
    gates = gates_of(supernet)
    supernet.mix(gates)
    supernet(torch.randn(IMAGES)).sum().backward()
    grad = gates["width"].grad
    assert grad is not None and (grad.abs() > 0.1).all()


def test_layer_norm_counts_features_by_their_gate() -> None:
    layer = LayerNorm(WIDTH, eps=1e-3)
    supernet = supernet_of(layer)
    x, gates = torch.randn(TOKENS), gates_of(supernet)
    supernet.mix(gates)
    mask = torch.stack([gates["width"][index:].sum() for index in (0, 0, 1, 1, 2, 2)])
    mean = (x * mask).sum(-1, keepdim=True) / mask.sum()
    variance = ((x - mean) ** 2 * mask).sum(-1, keepdim=True) / mask.sum()
    expected = ((x - mean) / (variance + 1e-3).sqrt() * layer.weight + layer.bias) * mask
    torch.testing.assert_close(supernet(x), expected)


def test_group_norm_mixes_the_outputs_of_the_widths() -> None:
    layer = GroupNorm(2, WIDTH)
    supernet = supernet_of(layer)
    x, gates = torch.randn(IMAGES), gates_of(supernet)
    expected = torch.zeros_like(x)
    for weight, width in zip(gates["width"], (2, 4, 6), strict=True):
        y = F.group_norm(x[:, :width], 2, layer.weight[:width], layer.bias[:width])
        expected = expected + weight * F.pad(y, (0, 0, 0, 0, 0, 6 - width))
    supernet.mix(gates)
    torch.testing.assert_close(supernet(x), expected)


def test_concatenated_widths_are_masked_part_by_part() -> None:
    left, right = Choice([1, 3], name="left"), Choice([2, 4], name="right")
    layer = Linear(6, concatenate(left, right))
    supernet = supernet_of(layer)
    gates = {"left": torch.tensor([0.25, 0.75]), "right": torch.tensor([0.9, 0.1])}
    supernet.mix(gates)
    x = torch.randn(5, 6)
    mask = torch.tensor([1, 0.75, 0.75, 1, 1, 0.1, 0.1])
    torch.testing.assert_close(supernet(x), F.linear(x, layer.weight, layer.bias) * mask)


def test_equal_outcomes_are_merged() -> None:
    layer = Linear(2, (WIDTH * FACTOR).map(lambda width: min(width, 6)))
    supernet = supernet_of(layer)
    gates = {"width": torch.tensor([0.5, 0.3, 0.2]), "factor": torch.tensor([0.1, 0.2, 0.7])}
    supernet.mix(gates)
    # 2 needs (2, 1); 4 needs (2, 2) or (4, 1); all else gives 6.
    two, four = 0.5 * 0.1, 0.5 * 0.2 + 0.3 * 0.1
    expected = torch.tensor([1, 1, 1 - two, 1 - two, 1 - two - four, 1 - two - four])
    mask = layer.state.widths["out_features"].mask
    assert mask is not None
    torch.testing.assert_close(mask, expected)


def test_only_active_candidates_are_computed() -> None:
    layer = Conv2d(6, WIDTH, KERNEL, padding=KERNEL // 2)
    calls: list[str] = []
    operations = OneOf({name: Spy(name, calls) for name in ("a", "b", "c")}, Choice(["a", "b", "c"], name="operation"))
    supernet = supernet_of(layer, operations)
    active = {"width": [0, 1], "kernel": [0], "operation": [0, 2]}
    supernet.mix(gates_of(supernet), active)
    supernet(torch.randn(IMAGES))  # the first run checks the gates, for which other candidates run
    calls.clear()
    assert supernet(torch.randn(IMAGES)).shape == (2, 4, 9, 9)
    assert layer.part("weight").shape == (4, 6, 3, 3)
    assert calls == ["a", "c"]


class Spy(nn.Module):
    def __init__(self, name: str, calls: list[str]) -> None:
        super().__init__()
        self.name, self.calls = name, calls

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(self.name)
        return x


def test_a_straight_through_gate_runs_one_candidate_and_passes_its_gradient() -> None:
    operations = OneOf([nn.Conv2d(4, 3, 1), nn.Conv2d(4, 3, 3, padding=1)], Choice([0, 1], name="operation"))
    supernet = supernet_of(Conv2d(6, WIDTH, KERNEL, padding=KERNEL // 2), BatchNorm2d(WIDTH), Linear4(), operations)
    x = torch.randn(IMAGES)
    architecture = {"width": 4, "kernel": 5, "operation": 1}
    supernet.activate(architecture)
    expected = supernet(x)
    logits = {name: torch.randn(len(c), requires_grad=True) for name, c in supernet.space.choices.items()}
    weights, active = {}, {}
    for name, candidates in supernet.space.choices.items():
        soft = logits[name].softmax(0)
        active[name] = [candidates.index(architecture[name])]
        weights[name] = torch.eye(len(candidates))[active[name][0]] + soft - soft.detach()
    supernet.mix(weights, active)
    mixed = supernet(x)
    torch.testing.assert_close(mixed, expected)
    mixed.sin().sum().backward()
    for name, logit in logits.items():
        assert logit.grad is not None and logit.grad.abs().max() > 0, name


def test_idle_operations_run_in_the_precision_of_the_forward_pass() -> None:
    """Whatever is set when the backward pass begins: threads of the backward pass may have settings of their own."""
    convs = nn.ModuleList([nn.Conv2d(3, 3, 1, dtype=torch.float32) for _ in range(3)])
    idle, x = (
        torch.zeros(2, dtype=torch.float32, requires_grad=True),
        torch.randn(IMAGES[0], 3, 5, 5, dtype=torch.float32),
    )
    gate = Gate((0,), torch.ones(1, dtype=torch.float32), Idle((1, 2), idle, "outputs"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = convs[0](x)
        mixed = gate.mix_with_idle(lambda index: convs[index](halved))
        expected = [(torch.ones_like(halved) * convs[index](halved)).sum(dtype=torch.float32) for index in (1, 2)]
    assert mixed.dtype == torch.bfloat16
    mixed.float().sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(idle.grad, torch.stack(expected).detach())


class Linear4(nn.Module):
    """Cuts or pads to four channels, so that a fixed layer may follow an elastic width."""

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, 0, 0, 4 - x.shape[1]))


def test_tied_soft_choices_are_multiplied_where_they_meet() -> None:
    """Gates are per layer: two layers in a row each weight their own output."""
    first, second = Linear(3, WIDTH, bias=False), Linear(WIDTH, 2, bias=False)
    supernet = supernet_of(first, second)
    gates = gates_of(supernet)
    supernet.mix(gates)
    mask = torch.stack([gates["width"][index:].sum() for index in (0, 0, 1, 1, 2, 2)])
    x = torch.randn(5, 3)
    torch.testing.assert_close(supernet(x), x @ first.weight.T @ torch.diag(mask) @ second.weight.T)
