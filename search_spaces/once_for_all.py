"""The once-for-all space of MobileNetV3: elastic depth, kernels and expansions in five stages."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import BatchNorm2d, Conv2d, Repeat
from nas.space import Choice, Notation, largest, round_to

__all__ = ["NOTATION", "MobileBlock", "SqueezeExcitation", "once_for_all"]

_STAGES = (
    (24, nn.ReLU, False),
    (40, nn.ReLU, True),
    (80, nn.Hardswish, False),
    (112, nn.Hardswish, True),
    (160, nn.Hardswish, True),
)
"""Channels, activation and whether there is squeeze-and-excitation, of each stage."""


def once_for_all(
    input_shape: tuple[int, int, int] = (3, 224, 224),
    classes: int = 1000,
    width: float | None = None,
    strides: Sequence[int] | None = None,
    depths: Sequence[int] = (2, 3, 4),
    kernels: Sequence[int] = (3, 5, 7),
    expansions: Sequence[float] = (3, 4, 6),
) -> nn.Module:
    """The space of Once-for-all (Cai et al., 2020) over MobileNetV3: 2 x 10^19 architectures by default.

    Every stage chooses its depth, every block its kernel and its expansion. Images below 64 pixels have the same
    choices in a network that is narrower and halves the resolution less often than the published one. A smaller
    kernel is the centre of the largest; the method ``ofa`` adds the published transformation matrices.

    Args:
        input_shape: channels, height and width of the images.
        classes: number of outputs.
        width: factor of all channels; 1 as published.
        strides: stride of the stem and of the first block of each stage; 2, 2, 2, 2, 1, 2 as published.
        depths: candidates of each stage's number of blocks.
        kernels: candidates of each block's depthwise kernel.
        expansions: candidates of each block's hidden width, as factors of its input.
    """
    fitting_width, fitting_strides = _fitted(input_shape[1])
    width, strides = width or fitting_width, strides or fitting_strides
    stem, expanded, head = (round_to(channels * width, 8) for channels in (16, 960, 1280))
    modules: list[tuple[str, nn.Module]] = [
        ("stem", _conv(input_shape[0], stem, 3, nn.Hardswish, stride=strides[0])),
        ("first", MobileBlock(stem, stem, kernel=3, expansion=1, activation=nn.ReLU, excite=False)),
    ]
    inputs = stem
    for stage, ((channels, activation, excite), stride) in enumerate(zip(_STAGES, strides[1:], strict=True), start=1):
        outputs = round_to(channels * width, 8)
        blocks = [
            MobileBlock(
                inputs if block == 0 else outputs,
                outputs,
                kernel=Choice(kernels, name=f"stage{stage}.{block}.kernel"),
                expansion=Choice(expansions, name=f"stage{stage}.{block}.expansion"),
                activation=activation,
                excite=excite,
                stride=stride if block == 0 else 1,
            )
            for block in range(max(depths))
        ]
        modules.append((f"stage{stage}", Repeat(blocks, depth=Choice(depths, name=f"stage{stage}.depth"))))
        inputs = outputs
    modules += [
        ("expand", _conv(inputs, expanded, 1, nn.Hardswish)),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("mix", nn.Sequential(nn.Conv2d(expanded, head, 1, bias=False), nn.Hardswish(inplace=True))),
        ("classifier", nn.Sequential(nn.Flatten(), nn.Linear(head, classes))),
    ]
    return nn.Sequential(OrderedDict(modules))


def _fitted(size: int) -> tuple[float, tuple[int, ...]]:
    """Width and strides; images of 8 x 8 and more are 4 x 4 at the last block, where each kernel still differs."""
    if size >= 64:
        return 1.0, (2, 2, 2, 2, 1, 2)
    return (0.5, (1, 2, 2, 1, 1, 2)) if size >= 24 else (0.25, (1, 2, 1, 1, 1, 1))


def _parse(kernels: object, expansions: object, depths: object) -> dict[str, int]:
    """The choices of a network that is written as in the once-for-all repository.

    Args:
        kernels: of every block, also of those beyond the depth: as many for each stage.
        expansions: likewise.
        depths: of every stage.

    >>> _parse([3, 3, 3, 5], "4,4,6,3", "[2, 1]")
    {'stage1.depth': 2, 'stage2.depth': 1, 'stage1.0.kernel': 3, ...}
    """
    ks, e, d = _integers("ks", kernels), _integers("e", expansions), _integers("d", depths)
    blocks = len(ks) // len(d)
    if len(ks) != len(e) or len(ks) != blocks * len(d):
        raise UsageError(
            f"ks has {len(ks)} entries, e {len(e)} and d {len(d)}; "
            "expected one ks and one e for each block, as many blocks in each stage, and one d for each stage."
        )
    values = {f"stage{stage}.depth": depth for stage, depth in enumerate(d, start=1)}
    for stage, depth in enumerate(d, start=1):
        for block in range(min(depth, blocks)):
            values[f"stage{stage}.{block}.kernel"] = ks[(stage - 1) * blocks + block]
            values[f"stage{stage}.{block}.expansion"] = e[(stage - 1) * blocks + block]
    return values


def _integers(column: str, value: object) -> list[int]:
    """A list of integers, or text of one with or without brackets."""
    if isinstance(value, str):
        try:
            value = json.loads(f"[{value.strip().removeprefix('[').removesuffix(']')}]")
        except json.JSONDecodeError:
            value = [value]
    if not isinstance(value, list) or not value or any(type(each) is not int for each in value):
        raise UsageError(f"{column} is {value!r}; expected integers, as in 3,5,7,3.")
    return value


NOTATION = Notation(("ks", "e", "d"), _parse, input_size="r")


class MobileBlock(nn.Module):
    """A MobileNetV3 block (Howard et al., 2019): expand, depthwise convolution, excite, project.

    An expansion of one has no expanding convolution. There is a shortcut where shapes allow it.

    Shapes: ``[N, inputs, H, W]`` → ``[N, outputs, ceil(H / stride), ceil(W / stride)]``.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        kernel: of the depthwise convolution; may be a choice.
        expansion: hidden channels as a factor of the input's; may be a choice.
        activation: class of the two activations.
        excite: whether squeeze-and-excitation weights the hidden channels.
        stride: of the depthwise convolution.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Any,
        expansion: Any,
        activation: type[nn.Module],
        excite: bool,
        stride: int = 1,
    ) -> None:
        super().__init__()
        hidden = round_to(inputs * expansion, 8)
        self.expand = nn.Identity() if largest(expansion) == 1 else _conv(inputs, hidden, 1, activation)
        self.depthwise = _conv(hidden, hidden, kernel, activation, stride=stride, groups=hidden)
        self.excite = SqueezeExcitation(hidden) if excite else nn.Identity()
        self.project = _conv(hidden, outputs, 1)
        self.shortcut = stride == 1 and inputs == outputs
        self.branch = "project" if self.shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + y if self.shortcut else y


class SqueezeExcitation(nn.Module):
    """Weights channels by what their means say (Hu et al., 2018), through a quarter of the width.

    Shapes: ``[N, width, H, W]`` → the same.
    """

    def __init__(self, width: Any) -> None:
        super().__init__()
        squeezed = round_to(width // 4, 8)
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            Conv2d(width, squeezed, 1),
            nn.ReLU(inplace=True),
            Conv2d(squeezed, width, 1),
            nn.Hardsigmoid(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x * self.weights(x)
        return y


def _conv(
    inputs: Any, outputs: Any, kernel: Any, activation: type[nn.Module] | None = None, **options: Any
) -> nn.Sequential:
    layers: list[nn.Module] = [
        Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options),
        BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([activation(inplace=True)] if activation else []))
