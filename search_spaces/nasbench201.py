"""The cell space of NAS-Bench-201: six edges, five operations, 15,625 architectures."""

import re
from collections import OrderedDict
from functools import partial

from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Cell, OneOf, Zero
from nas.space import Choice, Notation
from search_spaces.cell_operations import on_part, relu_conv_bn

__all__ = ["EDGES", "NOTATION", "OPERATIONS", "nasbench201"]

OPERATIONS = ("none", "skip_connect", "avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

_CELL = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")
"""A cell as published: the operations that lead into each node, with the node they come from, in the order of EDGES."""


def nasbench201(
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    width: int | None = None,
    cells: int | None = None,
    partial_channels: int = 1,
) -> nn.Module:
    """The space of NAS-Bench-201 (Dong and Yang, 2020). Every cell has the same architecture.

    Images below 16 pixels get a narrower and shallower network than the published one.

    Args:
        input_shape: channels, height and width of the images.
        classes: number of outputs.
        width: channels of the first stage; 16 as published.
        cells: cells in each of the three stages; 5 as published.
        partial_channels: into how many parts channels are divided, of which operations see one (PC-DARTS, Xu et al.,
            2020); 1 as published.

    Raises:
        UsageError: channels that cannot be divided.
    """
    small = input_shape[1] < 16
    width = width or (8 if small else 16)
    cells = cells or (1 if small else 5)
    choices = {edge: Choice(OPERATIONS, name=_name(edge)) for edge in EDGES}
    modules: list[tuple[str, nn.Module]] = [
        ("stem", nn.Sequential(nn.Conv2d(input_shape[0], width, 3, padding=1, bias=False), nn.BatchNorm2d(width)))
    ]
    for stage in range(3):
        if stage:
            modules.append((f"reduction{stage}", ReductionBlock(width, 2 * width)))
            width *= 2
        for index in range(cells):
            edges = {edge: on_part(partial(_candidates, choices[edge]), width, partial_channels) for edge in EDGES}
            modules.append((f"cell{stage}_{index}", Cell(edges)))
    modules += [
        ("norm", nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))),
        ("classifier", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))),
    ]
    return nn.Sequential(OrderedDict(modules))


def _parse(text: object) -> dict[str, str]:
    """The choices of a cell that is written as in NAS-Bench-201.

    >>> cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
    >>> _parse(cell)["edge_2_3"]
    'nor_conv_1x1'
    """
    match = _CELL.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise UsageError(
            f"{text!r} is no cell of NAS-Bench-201; write it like "
            "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|."
        )
    return {_name(edge): operation for edge, operation in zip(EDGES, match.groups(), strict=True)}


NOTATION = Notation(("arch",), _parse)


class ReductionBlock(nn.Module):
    """The residual block between stages: halves the resolution, doubles the channels.

    Shapes: ``[N, inputs, H, W]`` → ``[N, outputs, ceil(H / 2), ceil(W / 2)]``.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(relu_conv_bn(inputs, outputs, 3, stride=2), relu_conv_bn(outputs, outputs, 3))
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shortcut(x) + self.layers(x)
        return y


def _name(edge: tuple[int, int]) -> str:
    return "edge_{}_{}".format(*edge)


def _candidates(choice: Choice, width: int) -> OneOf:
    operations = (
        Zero(),
        nn.Identity(),
        nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
        relu_conv_bn(width, width, 1),
        relu_conv_bn(width, width, 3),
    )
    return OneOf(dict(zip(OPERATIONS, operations, strict=True)), choice)
