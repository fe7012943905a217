"""PartialChannels: which channels go through the operation, their order, and what by-passes it."""

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.nn import OneOf, PartialChannels, Zero
from nas.space import Choice


def numbered(channels: int, size: int = 4) -> Tensor:
    """Images ``[2, channels, size, size]`` whose channels hold their own number."""
    return torch.arange(float(channels))[None, :, None, None].expand(2, channels, size, size)


def test_sixteen_channels_in_four_groups_are_shuffled_as_published() -> None:
    y = PartialChannels(nn.Identity(), 16, 4)(numbered(16))
    assert y[0, :, 0, 0].tolist() == [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]


@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_the_first_channels_alone_go_through_the_operation(parts: int) -> None:
    seen: list[Tensor] = []
    operation = nn.Identity()
    operation.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    y = PartialChannels(operation, 6, parts)(numbered(6))
    assert seen[0][0, :, 0, 0].tolist() == list(range(6 // parts))
    assert sorted(y[0, :, 0, 0].tolist()) == list(range(6))


def test_one_part_is_the_operation() -> None:
    operation, x = nn.Conv2d(6, 6, 3, padding=1), torch.randn(2, 6, 5, 5)
    assert torch.equal(PartialChannels(operation, 6, 1)(x), operation(x))


@pytest.mark.parametrize("size", [8, 7])
def test_with_a_stride_what_by_passes_is_pooled_and_fits(size: int) -> None:
    x = torch.randn(2, 8, size, size)
    operation = nn.Conv2d(4, 4, 3, stride=2, padding=1)
    y = PartialChannels(operation, 8, 2, stride=2)(x)
    assert y.shape == (2, 8, 4, 4)
    assert torch.equal(y[:, ::2], operation(x[:, :4]))
    assert torch.equal(y[:, 1::2], nn.functional.max_pool2d(x[:, 4:], 2, ceil_mode=True))


def test_nothing_flows_from_the_by_pass_through_the_operation() -> None:
    x = torch.randn(2, 8, 4, 4, requires_grad=True)
    layer = PartialChannels(nn.Conv2d(2, 2, 3, padding=1), 8, 4)
    through = layer(x)[:, ::4]
    (gradient,) = torch.autograd.grad(through.sin().sum(), x)
    assert gradient[:, 2:].count_nonzero() == 0 and gradient[:, :2].abs().min() > 0
    around = torch.cat([layer(x)[:, part::4] for part in (1, 2, 3)], 1)
    (gradient,) = torch.autograd.grad(around.sum(), x)
    assert torch.equal(gradient[:, 2:], torch.ones(2, 6, 4, 4)) and gradient[:, :2].count_nonzero() == 0


def test_a_zero_operation_passes_the_by_pass_alone() -> None:
    x = torch.randn(2, 6, 4, 4)
    y = PartialChannels(Zero(), 6, 3)(x)
    assert y[:, ::3].count_nonzero() == 0
    assert torch.equal(y[:, 1::3], x[:, 2:4]) and torch.equal(y[:, 2::3], x[:, 4:])


def test_a_zero_operation_is_not_skipped_in_a_cell() -> None:
    choice = Choice(["none", "skip"], name="operation")
    edge = PartialChannels(OneOf({"none": Zero(), "skip": nn.Identity()}, choice), 4, 2)
    supernet = nas.Supernet(nn.Sequential(nas.nn.Cell({(0, 1): edge, (0, 2): nn.Identity(), (1, 2): nn.Identity()})))
    supernet.activate({"operation": "none"})
    x = torch.randn(1, 4, 2, 2)
    expected = x + torch.stack([torch.zeros(1, 2, 2, 2), x[:, 2:]], 2).flatten(1, 2)
    assert torch.equal(supernet(x), expected)
    assert torch.equal(supernet.extract({"operation": "none"})(x), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_what_is_extracted_is_plain_and_owns_its_weights(stride: int) -> None:
    convs = {size: nn.Conv2d(2, 2, size, stride, padding=size // 2) for size in (1, 3)}
    layer = PartialChannels(OneOf(convs), 8, 4, stride)
    supernet = nas.Supernet(nn.Sequential(layer)).eval()
    x = torch.randn(2, 8, 6, 6)
    for architecture in supernet.space:
        supernet.activate(architecture)
        network = supernet.extract(architecture)
        assert not network.get_submodule("0").training
        assert all(type(module).__module__.split(".")[0] == "torch" for module in network.modules())
        expected = supernet(x)
        assert torch.equal(network(x), expected)
        with torch.no_grad():
            for parameter in supernet.parameters():
                parameter.add_(1)
        assert torch.equal(network(x), expected) and not torch.equal(supernet(x), expected)


def test_what_is_mixed_weighs_the_operation_alone() -> None:
    layer = PartialChannels(OneOf({"none": Zero(), "skip": nn.Identity()}, Choice(["none", "skip"], name="o")), 4, 2)
    supernet = nas.Supernet(nn.Sequential(layer))
    supernet.mix({"o": torch.tensor([0.75, 0.25])})
    x = torch.randn(1, 4, 2, 2)
    y = supernet(x)
    torch.testing.assert_close(y[:, ::2], x[:, :2] / 4)
    assert torch.equal(y[:, 1::2], x[:, 2:])


@pytest.mark.parametrize(("channels", "parts"), [(6, 4), (6, 12), (6, 0), (6, -2)])
def test_parts_that_do_not_divide_the_channels_are_refused(channels: int, parts: int) -> None:
    with pytest.raises(UsageError, match=f"{channels} channels cannot be divided into {parts} equal parts; use a div"):
        PartialChannels(nn.Identity(), channels, parts)


def test_other_strides_are_refused() -> None:
    with pytest.raises(UsageError, match="PartialChannels has stride 3; use 1 or 2"):
        PartialChannels(nn.Identity(), 4, 2, stride=3)
