"""Residual networks with a width for every convolution and a depth for every stage."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from math import floor
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError, did_you_mean
from nas.nn import Linear, Repeat, SwitchableBatchNorm2d, interpolate_channels, pad_channels
from nas.nn.switchable import UngatedConv2d
from nas.space import Choice

__all__ = ["BasicBlock", "resnet"]

_ALIGN = {"interpolate": interpolate_channels, "pad": pad_channels}


def resnet(
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    blocks: int | None = None,
    widths: Sequence[int] | None = None,
    multipliers: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    align: Literal["interpolate", "pad"] = "interpolate",
) -> nn.Module:
    """The space of TAS (Dong and Yang, 2019) over the ResNet of 6n + 2 layers for small images (He et al., 2016).

    Every stage chooses its depth, an odd number of its n blocks or all of them. Every block chooses the width between
    its two convolutions. What they add to has one width for the whole stage, so that sums match; the paper gives every
    convolution a width of its own and brings summands of different widths together. The stem has the width of the
    first stage. Where a stage begins with another width, the shortcut is a 1x1 convolution. Every width has its own
    batch norms. Images below 16 pixels get a narrower and shallower network than the published one.

    Args:
        input_shape: channels, height and width of the images.
        classes: number of outputs.
        blocks: number n of blocks of each stage; 3, 5, 9 or 18 as published.
        widths: channels of each stage at multiplier one; 16, 32 and 64 as published.
        multipliers: candidates of every width, as factors up to one; products are rounded down.
        align: how features of several widths are brought together while the architecture is learnt: "interpolate" as
            published, or "pad" with zeros. It makes no difference to a single architecture.

    Raises:
        UsageError: no blocks, a multiplier that is not between zero and one, or another name of an alignment.
    """
    small = input_shape[1] < 16
    blocks = (2 if small else 3) if blocks is None else blocks
    widths = widths or ((8, 16, 32) if small else (16, 32, 64))
    if blocks < 1:
        raise UsageError(f"resnet has blocks={blocks}; use at least 1 block for each stage.")
    for multiplier in multipliers:
        if not 0 < multiplier <= 1:
            raise UsageError(f"resnet has {multiplier} among its multipliers; use factors above 0 and up to 1.")
    if align not in _ALIGN:
        raise UsageError(f"resnet has align='{align}'; {did_you_mean(align, _ALIGN)}")
    norm = partial(SwitchableBatchNorm2d, align=_ALIGN[align])
    modules: list[tuple[str, nn.Module]] = []
    inputs: Any = None
    for stage, channels in enumerate(widths, start=1):
        candidates = _narrowed(channels, multipliers)
        outputs = Choice(candidates, name=f"stage{stage}.width")
        if stage == 1:
            modules.append(("stem", nn.Sequential(*_conv(input_shape[0], outputs, 3, 1, norm), nn.ReLU(inplace=True))))
        sequence = [
            BasicBlock(
                inputs if stage > 1 and block == 0 else outputs,
                Choice(candidates, name=f"stage{stage}.{block}.width"),
                outputs,
                stride=2 if stage > 1 and block == 0 else 1,
                norm=norm,
            )
            for block in range(blocks)
        ]
        modules.append((f"stage{stage}", Repeat(sequence, Choice(_depths(blocks), name=f"stage{stage}.depth"))))
        inputs = outputs
    classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), Linear(inputs, classes))
    return nn.Sequential(OrderedDict([*modules, ("classifier", classifier)]))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016).

    Shapes: ``[N, in_channels, H, W]`` → ``[N, out_channels, ceil(H / stride), ceil(W / stride)]``.

    Args:
        in_channels, hidden, out_channels: widths of the input, between the convolutions and of the output; the
            shortcut is the input itself where the first and the last are the same and the stride is one.
        stride: of the first convolution.
        norm: makes the batch norm of a width.
    """

    def __init__(self, in_channels: Any, hidden: Any, out_channels: Any, stride: int, norm: Any) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_conv(in_channels, hidden, 3, stride, norm),
            nn.ReLU(inplace=True),
            *_conv(hidden, out_channels, 3, 1, norm),
        )
        same = stride == 1 and in_channels is out_channels
        self.shortcut = nn.Identity() if same else nn.Sequential(*_conv(in_channels, out_channels, 1, stride, norm))
        self.branch = "residual"
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.residual(x) + self.shortcut(x))


def _conv(inputs: Any, outputs: Any, kernel: int, stride: int, norm: Any) -> tuple[nn.Module, nn.Module]:
    return UngatedConv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), norm(outputs)


def _narrowed(channels: int, multipliers: Sequence[float]) -> list[int]:
    """The distinct products, rounded down, of at least one channel.

    >>> _narrowed(8, (0.3, 0.4, 0.5, 0.6, 1.0))
    [2, 3, 4, 8]
    """
    return list(dict.fromkeys(max(1, floor(channels * multiplier)) for multiplier in multipliers))


def _depths(blocks: int) -> list[int]:
    """The odd numbers of blocks, and all.

    >>> _depths(4)
    [1, 3, 4]
    """
    return sorted({*range(1, blocks + 1, 2), blocks})
