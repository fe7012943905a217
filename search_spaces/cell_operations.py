"""The operations of cell spaces, in plain layers (DARTS, Liu et al., 2019).

All keep the number of channels unless they say otherwise, and give ``ceil(size / stride)`` pixels a side. The
``affine`` argument is whether batch norms have weights: while an architecture is searched for they have none, so that
no candidate can rescale its own output.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import PartialChannels

__all__ = ["FactorizedReduce", "dilated_conv", "on_part", "pool", "relu_conv_bn", "separable_conv", "skip"]


def relu_conv_bn(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, affine: bool = True) -> nn.Sequential:
    """ReLU, convolution, batch norm, from ``inputs`` to ``outputs`` channels."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs, affine=affine),
    )


def separable_conv(
    channels: int, kernel: Any, stride: int, affine: bool, depthwise: Callable[..., nn.Module] = nn.Conv2d
) -> nn.Sequential:
    """ReLU, depthwise and pointwise convolution, batch norm; all of it twice, with the stride in the first.

    Args:
        channels: of input and output.
        kernel: of the depthwise convolutions; may be an expression where ``depthwise`` is elastic.
        stride: of the first depthwise convolution.
        affine: whether the batch norms have weights.
        depthwise: the class of the depthwise convolutions.
    """

    def half(stride: int) -> list[nn.Module]:
        return [
            nn.ReLU(),
            depthwise(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels, affine=affine),
        ]

    return nn.Sequential(*half(stride), *half(1))


def dilated_conv(
    channels: int, kernel: Any, stride: int, affine: bool, depthwise: Callable[..., nn.Module] = nn.Conv2d
) -> nn.Sequential:
    """ReLU, depthwise convolution of dilation two, pointwise convolution, batch norm.

    Args: as for :func:`separable_conv`.
    """
    return nn.Sequential(
        nn.ReLU(),
        depthwise(channels, channels, kernel, stride, kernel - 1, dilation=2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def pool(kind: type[nn.AvgPool2d] | type[nn.MaxPool2d], channels: int, stride: int) -> nn.Sequential:
    """A 3x3 pooling and a batch norm without weights; the mean does not count the padding."""
    options = {"count_include_pad": False} if kind is nn.AvgPool2d else {}
    return nn.Sequential(kind(3, stride, 1, **options), nn.BatchNorm2d(channels, affine=False))


def skip(channels: int, stride: int, affine: bool) -> nn.Module:
    """The input itself, or for a stride of two what stands for it at half the resolution."""
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)


class FactorizedReduce(nn.Module):
    """Halves the resolution: half of the channels see the even pixels, half the odd ones.

    Shapes: ``[N, inputs, H, W]`` → ``[N, outputs, ceil(H / 2), ceil(W / 2)]``.

    Attributes:
        parameter_free: True, as it stands for a skip connection, though it has weights.

    Raises:
        UsageError: fewer than two outputs.
    """

    parameter_free = True

    def __init__(self, inputs: int, outputs: int, affine: bool = True) -> None:
        super().__init__()
        if outputs < 2:
            raise UsageError(
                f"a skip connection that halves the resolution cannot have {outputs} channel; "
                "use a larger width, or fewer parts of channels."
            )
        self.even = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(inputs, outputs - outputs // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        y: Tensor = self.norm(torch.cat([self.even(x), self.odd(F.pad(x, (0, 1, 0, 1))[..., 1:, 1:])], 1))
        return y


def on_part(operation: Callable[[int], nn.Module], channels: int, parts: int, stride: int = 1) -> nn.Module:
    """``operation(channels)``, or with several parts an operation on the first part of the channels alone.

    Raises:
        UsageError: ``parts`` that do not divide the channels.
    """
    if parts == 1:
        return operation(channels)
    return PartialChannels(operation(PartialChannels.share_of(channels, parts)), channels, parts, stride)
