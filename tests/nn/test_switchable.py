"""A batch norm for each width: under soft gates the sum of aligned features, else the batch norm of that width."""

import math
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from slices import Case, check_extraction, check_slice, one_hot, randomise
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import Conv2d, SwitchableBatchNorm2d, interpolate_channels, pad_channels
from nas.nn.switchable import Align, UngatedConv2d
from nas.space import Choice, concatenate

WIDTH = Choice([2, 3, 6], name="width")
KERNEL = Choice([1, 3], name="kernel")
EACH_ALIGN = pytest.mark.parametrize("align", [pad_channels, interpolate_channels])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def switchable(align: Align) -> tuple[nas.Supernet, UngatedConv2d, SwitchableBatchNorm2d]:
    """A convolution and its batch norms, in float64."""
    conv, norm = UngatedConv2d(4, WIDTH, 3, padding=1), SwitchableBatchNorm2d(WIDTH, align=align)
    supernet = nas.Supernet(nn.Sequential(conv, norm)).double()
    randomise(supernet)
    return supernet, conv, norm


def images() -> Tensor:
    return torch.randn(3, 4, 5, 5, dtype=torch.float64)


def explicit(
    conv: nn.Conv2d, norm: SwitchableBatchNorm2d, x: Tensor, weights: Tensor, active: Sequence[int], align: Align
) -> Tensor:
    """The sum over active widths of weight * align(batch norm of the unweighted features), written out."""
    widest = max(WIDTH.candidates[position] for position in active)
    total = torch.zeros(())
    for position in active:
        width = WIDTH.candidates[position]
        features = F.conv2d(x, conv.weight[:width], conv.bias[:width], padding=1)  # type: ignore[index]
        batch_norm = norm.get_submodule(str(width))
        assert isinstance(batch_norm, nn.BatchNorm2d)
        mean, var = batch_norm.running_mean, batch_norm.running_var
        if norm.training:
            mean, var = features.mean((0, 2, 3)), features.var((0, 2, 3), unbiased=False)
        assert mean is not None and var is not None
        scaled = (features - mean[:, None, None]) / (var[:, None, None] + batch_norm.eps).sqrt()
        scaled = scaled * batch_norm.weight[:, None, None] + batch_norm.bias[:, None, None]
        total = total + weights[position] * align(scaled, widest)
    return total


@pytest.mark.parametrize(("inputs", "outputs"), [(10, 7), (10, 14), (3, 8), (8, 3), (1, 5), (5, 1)])
def test_interpolation_is_adaptive_average_pooling_over_channels(inputs: int, outputs: int) -> None:
    x = torch.randn(2, inputs, 3, 4, dtype=torch.float64)
    pooled = F.adaptive_avg_pool3d(x[:, None], (outputs, 3, 4))[:, 0]
    torch.testing.assert_close(interpolate_channels(x, outputs), pooled)
    for index in range(outputs):
        first, last = index * inputs // outputs, math.ceil((index + 1) * inputs / outputs)
        torch.testing.assert_close(interpolate_channels(x, outputs)[:, index], x[:, first:last].mean(1))


@EACH_ALIGN
def test_alignment_to_the_same_width_changes_nothing(align: Align) -> None:
    x = torch.randn(2, 10, 3, 4)
    assert torch.equal(align(x, 10), x)


def test_padding_keeps_the_leading_channels() -> None:
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(pad_channels(x, 5)[:, :3], x)
    assert not pad_channels(x, 5)[:, 3:].any()


@EACH_ALIGN
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("active", [[0, 1, 2], [0, 1], [2, 0]])
@pytest.mark.parametrize("values", [[0.2, 0.5, 0.3], [1 - 2e-9, 1e-9, 1e-9], [1.0, 0.0, 0.0]])
def test_soft_gates_sum_aligned_features(align: Align, training: bool, active: list[int], values: list[float]) -> None:
    """Also for weights so small that they would drown the features beside the epsilon of a batch norm."""
    supernet, conv, norm = switchable(align)
    supernet.train(training)
    x, gates = images(), torch.tensor(values, dtype=torch.float64, requires_grad=True)
    learnt = [gates, conv.weight, *(norm[WIDTH.candidates[position]].weight for position in active)]
    expected = explicit(conv, norm, x, gates, active, align)
    supernet.mix({"width": gates}, {"width": active})
    mixed = supernet(x)
    torch.testing.assert_close(mixed, expected, rtol=1e-10, atol=1e-12)
    ours = torch.autograd.grad(mixed.sin().sum(), learnt)
    theirs = torch.autograd.grad(expected.sin().sum(), learnt)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert ours[0][active].all()


@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_gates_are_those_of_finite_differences(training: bool) -> None:
    supernet, _, _ = switchable(interpolate_channels)
    supernet.train(training)
    x = images()

    def loss(gates: Tensor) -> Tensor:
        supernet.mix({"width": gates})
        return torch.as_tensor(supernet(x).sin().sum())

    assert torch.autograd.gradcheck(loss, torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64, requires_grad=True))


@EACH_ALIGN
def test_statistics_are_those_of_unweighted_features_and_of_active_widths_alone(align: Align) -> None:
    supernet, conv, norm = switchable(align)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    x = images()
    supernet.mix({"width": torch.tensor([0.9, 0.05, 0.05], dtype=torch.float64)}, {"width": [0, 2]})
    supernet(x)
    for width in (2, 6):
        features = F.conv2d(x, conv.weight[:width], conv.bias[:width], padding=1)  # type: ignore[index]
        expected = 0.9 * before[f"{width}.running_mean"] + 0.1 * features.mean((0, 2, 3))
        torch.testing.assert_close(norm.get_buffer(f"{width}.running_mean"), expected)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items() if name.startswith("3."))


@EACH_ALIGN
@pytest.mark.parametrize("width", WIDTH.candidates)
def test_a_gate_with_one_option_is_the_discrete_path_bit_for_bit(align: Align, width: int) -> None:
    supernet, _, norm = switchable(align)
    x = images()
    results = []
    for soft in (False, True):
        supernet.zero_grad()
        supernet.activate({"width": width})
        if soft:
            supernet.mix(one_hot(supernet, {"width": width}), {"width": [WIDTH.candidates.index(width)]})
        y = supernet(x)
        torch.autograd.backward(y.sin().sum())
        results.append((y, {name: p.grad for name, p in supernet.named_parameters()}))
    (discrete, expected), (mixed, gradients) = results
    assert discrete.shape[1] == width and torch.equal(mixed, discrete)
    assert isinstance(norm[width], nn.BatchNorm2d)
    for name, gradient in gradients.items():
        own = name.startswith(("model.0.", f"model.1.{width}."))
        assert (gradient is not None) is own
        assert gradient is None or torch.equal(gradient, expected[name])  # type: ignore[arg-type]


@pytest.mark.parametrize("width", WIDTH.candidates)
def test_all_options_with_one_hot_weights_are_the_padded_discrete_path(width: int) -> None:
    supernet, _, _ = switchable(pad_channels)
    x = images()
    supernet.activate({"width": width})
    expected = pad_channels(supernet(x), 6)
    supernet.mix(one_hot(supernet, {"width": width}))
    torch.testing.assert_close(supernet(x), expected)


@pytest.mark.parametrize("training", [True, False])
def test_what_is_extracted_is_the_batch_norm_of_the_width(training: bool) -> None:
    supernet, _, norm = switchable(pad_channels)
    supernet.train(training)
    plain = supernet.extract({"width": 3}).get_submodule("1")
    assert type(plain) is nn.BatchNorm2d and plain.training is training
    own = norm[3].state_dict()
    assert plain.state_dict().keys() == own.keys()
    assert all(torch.equal(value, own[name]) for name, value in plain.state_dict().items())
    assert plain is not norm[3]


def test_only_the_batch_norms_that_run_are_active() -> None:
    supernet, conv, norm = switchable(pad_channels)
    supernet.activate({"width": 3})
    parameters = [conv.weight, conv.bias, norm[3].weight, norm[3].bias]
    assert [id(parameter) for parameter, _ in supernet.active_regions()] == [id(each) for each in parameters]
    supernet.mix(one_hot(supernet, {"width": 3}), {"width": [1, 2]})
    mixed = [*parameters, norm[6].weight, norm[6].bias]
    assert [id(parameter) for parameter, _ in supernet.active_regions()] == [id(each) for each in mixed]


def test_equal_outcomes_of_an_expression_share_a_batch_norm() -> None:
    factor = Choice([1, 3], name="factor")
    norm = SwitchableBatchNorm2d(WIDTH * factor)
    assert [name for name, _ in norm.named_children()] == ["2", "3", "6", "9", "18"]
    supernet = nas.Supernet(nn.Sequential(norm))
    supernet.mix({"width": torch.tensor([0.2, 0.3, 0.5]), "factor": torch.tensor([0.4, 0.6])})
    weights = dict(zip(norm.widths.values, norm.widths.weights.tolist(), strict=True))  # type: ignore[union-attr]
    assert weights[6] == pytest.approx(0.2 * 0.6 + 0.5 * 0.4)


def test_a_width_without_a_choice_is_a_batch_norm() -> None:
    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(SwitchableBatchNorm2d(4, eps=1e-2)(x), nn.BatchNorm2d(4, eps=1e-2)(x))


def test_refusals() -> None:
    with pytest.raises(UsageError, match="each part by itself"):
        SwitchableBatchNorm2d(concatenate(WIDTH, 4))
    with pytest.raises(UsageError, match="no active architecture"):
        SwitchableBatchNorm2d(WIDTH)(torch.randn(2, 6, 3, 3))


CASE = Case(
    lambda: UngatedConv2d(4, WIDTH, KERNEL, padding=KERNEL // 2),
    {"width": 3, "kernel": 1},
    lambda: nn.Conv2d(4, 3, 1),
    {"weight": (range(3), range(4), range(1, 2), range(1, 2)), "bias": (range(3),)},
    (2, 4, 5, 5),
)


def test_an_ungated_convolution_is_a_slice() -> None:
    check_slice(CASE)
    check_extraction(CASE)


def test_an_ungated_convolution_heeds_the_gates_of_its_kernel_but_not_of_its_width() -> None:
    plain, ungated = (kind(4, WIDTH, KERNEL, padding=KERNEL // 2).double() for kind in (Conv2d, UngatedConv2d))
    ungated.load_state_dict(plain.state_dict())
    width, kernel = torch.tensor([0.2, 0.3, 0.5]).double(), torch.tensor([0.4, 0.6]).double()
    x, outputs = images(), []
    for layer in (plain, ungated):
        supernet = nas.Supernet(nn.Sequential(layer))
        supernet.mix({"width": width, "kernel": kernel}, {"width": [0, 2]})
        outputs.append(supernet(x))
    mask = torch.tensor([0.7, 0.7, 0.5, 0.5, 0.5, 0.5]).double()[:, None, None]
    torch.testing.assert_close(outputs[0], outputs[1] * mask)
