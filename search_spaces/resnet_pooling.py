"""Residual networks that choose where their resolution is halved, and nothing else."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations, pairwise
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Conv2d, Elastic, Gates
from nas.nn.elastic import Copy
from nas.nn.gate import single_value
from nas.space import Choice, Notation

__all__ = ["NOTATION", "MaxPool", "MaxPoolBlock", "PoolingBlock", "Subsample", "resnet_pooling"]

Halving = Literal["stride", "max-pool"]
"""How a block halves the resolution."""

Norm = Callable[[int], nn.Module]


def resnet_pooling(
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    blocks: int | None = None,
    widths: Sequence[int] | None = None,
    halvings: int = 2,
    halving: Halving = "stride",
    affine: bool = True,
    track_running_stats: bool = True,
) -> nn.Module:
    """The space of "Balanced Mixture of SuperNets" (Javan et al., 2023) over the ResNet-20 of He et al. (2016).

    A stem and the blocks behind it are the layers. The resolution is halved in front of some of the blocks, once in
    front of each. The one choice, ``downsampling``, says how many layers work at each resolution: 4-3-3 is ResNet-20.
    Channels depend on the place of a block alone, so all placements have the same weights. Images below 16 pixels get a
    narrower and shallower network than the published one.

    The authors' network, to which their published accuracies belong, halves by ``max-pool``, and while it is searched
    has neither ``affine`` nor ``track_running_stats``, so that batch norm always takes the statistics of the batch; the
    networks that they retrain have both.

    Args:
        input_shape: channels, height and width of the images.
        classes: number of outputs.
        blocks: number of residual blocks; 9 as published.
        widths: channels of each equal part of the blocks, the stem has the first; 16, 32 and 64 as published.
        halvings: how often the resolution is halved; 2 as published.
        halving: ``stride``, by the first convolution of the block, whose shortcut has no weights (He et al., 2016,
            option A); or ``max-pool``, by pooling of 2x2 pixels in front of it, with a 1x1 convolution and batch norm
            on the shortcut where channels grow.
        affine: whether batch norms have weights.
        track_running_stats: whether batch norms keep statistics, by which they normalise outside of training.

    Raises:
        UsageError: more parts or more halvings than blocks, no halving, or widths that shrink.
    """
    small = input_shape[1] < 16
    blocks = (5 if small else 9) if blocks is None else blocks
    widths = tuple(widths or ((8, 16, 32) if small else (16, 32, 64)))
    if len(widths) > blocks:
        raise UsageError(f"resnet_pooling has blocks={blocks} for widths={list(widths)}; use a block for each width.")
    if any(later < earlier for earlier, later in pairwise(widths)):
        raise UsageError(f"resnet_pooling has widths={list(widths)}; shortcuts only add channels, so let widths grow.")
    if not 1 <= halvings <= blocks:
        raise UsageError(f"resnet_pooling has halvings={halvings} of {blocks} blocks; use 1 up to {blocks}.")
    channels = [widths[block * len(widths) // blocks] for block in range(blocks)]
    downsampling = Choice(_placements(channels, halvings, halving == "max-pool"), name="downsampling")
    norm = partial(nn.BatchNorm2d, affine=affine, track_running_stats=track_running_stats)
    modules: list[tuple[str, nn.Module]] = [
        ("stem", nn.Sequential(*_conv(norm, input_shape[0], widths[0]), nn.ReLU(inplace=True)))
    ]
    kind = PoolingBlock if halving == "stride" else MaxPoolBlock
    for block, (inputs, outputs) in enumerate(pairwise([widths[0], *channels])):
        stride = downsampling.map(partial(_stride, block))
        modules.append((f"block{block + 1}", kind(inputs, outputs, stride, norm)))
    classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], classes))
    return nn.Sequential(OrderedDict([*modules, ("classifier", classifier)]))


def _parse(placement: object) -> dict[str, str]:
    """The choice of a network that is written as in the paper.

    >>> _parse("4-3-3")
    {'downsampling': '4-3-3'}
    """
    if not isinstance(placement, str) or not all(part.isdecimal() for part in placement.split("-")):
        raise UsageError(f"{placement!r} is no placement; write the layers at each resolution like 4-3-3.")
    return {"downsampling": placement}


NOTATION = Notation(("placement",), _parse)


class PoolingBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without weights, which adds channels of zeros (He et al., 2016, option A).

    Shapes: ``[N, in_channels, H, W]`` → ``[N, out_channels, ceil(H / stride), ceil(W / stride)]``.

    Args:
        in_channels, out_channels: widths, the second at least the first.
        stride: of the first convolution and of the shortcut; may be an expression.
        norm: makes a batch norm for so many channels.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Any, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.residual = _residual(norm, in_channels, out_channels, stride)
        self.shortcut = Subsample(stride)
        self.added = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.pad(self.shortcut(x), (0, 0, 0, 0, 0, self.added))
        return F.relu(self.residual(x) + shortcut)


class MaxPoolBlock(nn.Module):
    """Max-pooling, then two 3x3 convolutions and a shortcut, which is a 1x1 convolution where channels grow.

    Shapes: ``[N, in_channels, H, W]`` → ``[N, out_channels, ceil(H / stride), ceil(W / stride)]``.

    Args:
        in_channels, out_channels: widths.
        stride: of the pooling, and its size; may be an expression.
        norm: makes a batch norm for so many channels.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: Any, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.pool = MaxPool(stride)
        self.residual = _residual(norm, in_channels, out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), norm(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pool(x)
        return F.relu(self.residual(pooled) + self.shortcut(pooled))


class _Shrinking(Elastic):
    """Makes an image smaller by an integer factor, without weights; to be extended."""

    def __init__(self, stride: Any) -> None:
        super().__init__()
        self.arguments = {"stride": stride}

    def configure(self, gates: Gates) -> None:
        self._stride = int(single_value(self.arguments["stride"], gates, f"{type(self).__name__} stride"))


class Subsample(_Shrinking):
    """Every ``stride``-th pixel of both axes, beginning with the first.

    Shapes: ``[N, C, H, W]`` → ``[N, C, ceil(H / stride), ceil(W / stride)]``.

    Args:
        stride: an expression.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x[..., :: self._stride, :: self._stride]

    def plain(self, copy: Copy) -> nn.Module:
        return nn.Identity() if self._stride == 1 else nn.AvgPool2d(1, self._stride)


class MaxPool(_Shrinking):
    """The largest of each ``stride`` x ``stride`` pixels, of fewer at the lower and right edge.

    Shapes: ``[N, C, H, W]`` → ``[N, C, ceil(H / stride), ceil(W / stride)]``.

    Args:
        stride: an expression.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x if self._stride == 1 else F.max_pool2d(x, self._stride, ceil_mode=True)

    def plain(self, copy: Copy) -> nn.Module:
        return nn.Identity() if self._stride == 1 else nn.MaxPool2d(self._stride, ceil_mode=True)


def _residual(norm: Norm, inputs: int, outputs: int, stride: Any = 1) -> nn.Module:
    return nn.Sequential(*_conv(norm, inputs, outputs, stride), nn.ReLU(inplace=True), *_conv(norm, outputs, outputs))


def _conv(norm: Norm, inputs: int, outputs: int, stride: Any = 1) -> tuple[nn.Module, nn.Module]:
    return Conv2d(inputs, outputs, 3, stride, 1, bias=False), norm(outputs)


def _stride(block: int, placement: str) -> int:
    """Two where the resolution is halved in front of this block, counted from zero.

    >>> [_stride(block, "2-1-3") for block in range(5)]
    [1, 2, 2, 1, 1]
    """
    return 2 if block in _halved(placement) else 1


def _halved(placement: str) -> list[int]:
    """The blocks in front of which the resolution is halved; the stem is the first layer."""
    layers = [int(count) for count in placement.split("-")]
    return [sum(layers[:end]) - 1 for end in range(1, len(layers))]


def _placements(channels: Sequence[int], halvings: int, projected: bool = False) -> list[str]:
    """Every way to place the halvings, from the cheapest network to the most expensive.

    >>> _placements([1, 2], 1)
    ['1-2', '2-1']
    """
    edges = ((-1, *halved, len(channels)) for halved in combinations(range(len(channels)), halvings))
    named = ["-".join(str(stop - start) for start, stop in pairwise(each)) for each in edges]
    return sorted(named, key=partial(_work, channels, projected))


def _work(channels: Sequence[int], projected: bool, placement: str) -> float:
    """What the convolutions of the blocks cost, up to a factor; with those of shortcuts, if these have some."""
    halved, total, inputs = _halved(placement), 0.0, channels[0]
    for block, outputs in enumerate(channels):
        area = 0.25 ** sum(place <= block for place in halved)
        shortcut = inputs if projected and inputs != outputs else 0
        total += area * outputs * (9 * (inputs + outputs) + shortcut)
        inputs = outputs
    return total
