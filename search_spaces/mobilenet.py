"""Inverted residuals with elastic kernel, expansion, depth and width."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from nas.nn import BatchNorm2d, Conv2d, Repeat
from nas.space import Choice, round_to

__all__ = ["InvertedResidual", "mobilenet"]


def mobilenet(
    input_shape: tuple[int, int, int] = (3, 224, 224),
    classes: int = 1000,
    widths: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    width_multipliers: Sequence[float] = (0.5, 1.0),
    depths: Sequence[int] | None = None,
    kernels: Sequence[int] | None = None,
    expansions: Sequence[float] = (3, 4, 6),
    stem: int | None = None,
    head: int | None = None,
) -> nn.Module:
    """The once-for-all space of MobileNetV2 blocks (Cai et al., 2020), sized for the input.

    Every stage chooses its width and its depth, every block its kernel and its expansion; widths are multiples of
    eight, which processors run faster. By default images of 64 pixels and more get the five stages of the paper,
    smaller ones three narrower stages.

    Args:
        input_shape: channels, height and width of the images.
        classes: number of outputs.
        widths: channels of each stage at multiplier one.
        strides: stride of the first block of each stage.
        width_multipliers: candidates of each stage's width, as factors.
        depths: candidates of each stage's number of blocks.
        kernels: candidates of each block's depthwise kernel.
        expansions: candidates of each block's hidden width, as factors of its input.
        stem: channels of the first convolution.
        head: channels of the last convolution.
    """
    size = input_shape[1]
    large = size >= 64
    widths = widths or ((24, 40, 80, 112, 160) if large else (16, 24, 40))
    strides = strides or ((2, 2, 2, 1, 2) if large else (2 if size >= 24 else 1, 2, 2))
    depths = depths or ((2, 3, 4) if large else (1, 2, 3))
    kernels = kernels or ((3, 5, 7) if size >= 24 else (3, 5))
    stem = stem or 16
    head = head or (1280 if large else 96)
    layers: list[tuple[str, nn.Module]] = [("stem", _conv(input_shape[0], stem, 3, stride=2 if large else 1))]
    inputs: Any = stem
    for stage, (width, stride) in enumerate(zip(widths, strides, strict=True), start=1):
        rounded = (round_to(width * multiplier, 8) for multiplier in width_multipliers)
        outputs = Choice(list(dict.fromkeys(rounded)), name=f"stage{stage}.width")
        blocks = [
            InvertedResidual(
                inputs if block == 0 else outputs,
                outputs,
                kernel=Choice(kernels, name=f"stage{stage}.{block}.kernel"),
                expansion=Choice(expansions, name=f"stage{stage}.{block}.expansion"),
                stride=stride if block == 0 else 1,
            )
            for block in range(max(depths))
        ]
        layers.append((f"stage{stage}", Repeat(blocks, depth=Choice(depths))))
        inputs = outputs
    layers += [
        ("head", _conv(inputs, head, 1)),
        ("classifier", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, classes))),
    ]
    return nn.Sequential(OrderedDict(layers))


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, project, with a shortcut where shapes allow it (Sandler et al., 2018).

    Shapes: ``[N, in_channels, H, W]`` → ``[N, out_channels, ceil(H / stride), ceil(W / stride)]``.
    """

    def __init__(self, in_channels: Any, out_channels: Any, kernel: Any, expansion: Any, stride: int = 1) -> None:
        super().__init__()
        hidden = round_to(in_channels * expansion, 8)
        self.expand = _conv(in_channels, hidden, 1)
        self.depthwise = _conv(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = _conv(hidden, out_channels, 1, activation=False)
        self.shortcut = stride == 1 and in_channels is out_channels
        self.branch = "project" if self.shortcut else None
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


def _conv(inputs: Any, outputs: Any, kernel: Any, activation: bool = True, **options: Any) -> nn.Sequential:
    layers: list[nn.Module] = [
        Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options),
        BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if activation else []))
