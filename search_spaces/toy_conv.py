"""The plain convolutional space of the TangleNAS benchmark: widths and kernels of four layers."""

import re
from collections import OrderedDict
from itertools import pairwise
from typing import Any

from torch import nn

from nas.errors import UsageError
from nas.nn import Conv2d
from nas.space import Choice, Notation

__all__ = ["KERNELS", "NOTATION", "WIDTHS", "toy_conv"]

WIDTHS = ((8, 16, 32), (16, 32, 64), (32, 64, 128), (64, 128, 256))
"""Candidates of the channels of each layer."""

KERNELS = (3, 5, 7)

_LAST = 7
"""The kernel of the fifth convolution."""


def toy_conv(
    input_shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10, width: float | None = None, dropout: float = 0.5
) -> nn.Module:
    """The convolutional space of the TangleNAS benchmark (Sukthanker et al., 2023): 3^8 architectures.

    Smaller kernels and widths are parts of the largest (weight entanglement); there is no batch norm. Images below 16
    pixels get a narrower network than the published one, whose fifth convolution keeps their size.

    Args:
        input_shape: channels, height and width of the images; at least 4 pixels a side.
        classes: number of outputs.
        width: factor of all channels and hidden units; 1 as published.
        dropout: probability that a channel is dropped behind the third and the fifth convolution.
    """
    small = input_shape[1] < 16
    width = width or (0.25 if small else 1)
    padding = _LAST // 2 if small else 2
    behind: list[list[nn.Module]] = [[], [nn.MaxPool2d(2)], [nn.Dropout2d(dropout), nn.MaxPool2d(2)], []]
    blocks: list[tuple[str, nn.Module]] = []
    inputs: Any = input_shape[0]
    for number, (candidates, others) in enumerate(zip(WIDTHS, behind, strict=True), start=1):
        outputs = Choice([max(1, round(width * channels)) for channels in candidates], name=f"conv{number}.channels")
        kernel = Choice(KERNELS, name=f"conv{number}.kernel")
        conv = Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        blocks.append((f"conv{number}", nn.Sequential(conv, nn.ReLU(), *others)))
        inputs = outputs
    last, *hidden = (max(1, round(width * units)) for units in (256, 256, 128, 64))
    blocks.append(("conv5", nn.Sequential(Conv2d(inputs, last, _LAST, padding=padding), nn.Dropout2d(dropout))))
    height, breadth = (side // 4 + 2 * padding - _LAST + 1 for side in input_shape[1:])
    blocks.append(("classifier", _classifier([last * height * breadth, *hidden], classes)))
    return nn.Sequential(OrderedDict(blocks))


def _parse(channels: object, kernels: object) -> dict[str, int]:
    """The choices of a network that is written as in the benchmark: four widths and four kernels.

    >>> _parse("8|32|64|128", [7, 3, 5, 3])["conv2.channels"]
    32
    """
    values = {}
    for column, argument, written in (("channels", "channels", channels), ("kernels", "kernel", kernels)):
        for number, value in enumerate(_integers(column, written), start=1):
            values[f"conv{number}.{argument}"] = value
    return values


def _integers(column: str, value: object) -> list[int]:
    """A list of one integer for each layer, or text of one, between bars or commas."""
    if isinstance(value, str):
        value = [int(part) if part.strip().isdigit() else part for part in re.split(r"[|,]", value.strip(" []"))]
    if not isinstance(value, list) or len(value) != len(WIDTHS) or any(type(each) is not int for each in value):
        raise UsageError(f"{column} is {value!r}; expected one integer for each of four layers, as in 8|32|64|128.")
    return value


NOTATION = Notation(("channels", "kernels"), _parse)


def _classifier(widths: list[int], classes: int) -> nn.Sequential:
    """Linear layers through the widths, a ReLU behind each but the last."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))
