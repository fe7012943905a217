"""The cell space of DARTS: fourteen edges, eight operations, a normal and a reduction cell."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Cell, OneOf, Zero
from nas.space import Choice, Subset
from search_spaces.cell_operations import (
    FactorizedReduce,
    dilated_conv,
    on_part,
    pool,
    relu_conv_bn,
    separable_conv,
    skip,
)

__all__ = ["EDGES", "OPERATIONS", "CellOfTwo", "CellStack", "darts"]

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
INPUTS, NODES = 2, 4
EDGES = tuple((source, node) for node in range(INPUTS, INPUTS + NODES) for source in range(node))


def darts(
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    width: int | None = None,
    cells: int | None = None,
    affine: bool = True,
    partial_channels: int = 1,
) -> nn.Module:
    """The space of DARTS (Liu et al., 2019): every node keeps two of the edges that lead into it.

    Cells lie at one third and two thirds of the depth that halve the resolution and double the channels; they have the
    architecture "reduce", all others "normal". The module that is called ``auxiliary`` in the network is where
    published training attaches a second classifier. Poolings keep their batch norm in the final network.
    Images below 16 pixels get a narrower and shallower network than the published one.

    Args:
        input_shape: channels, height and width of the images.
        classes: number of outputs.
        width: channels of each node of the first cells; as published 16 for the search and 36 for the final network.
        cells: number of cells; as published 8 for the search and 20 for the final network.
        affine: whether batch norms in cells have weights; as published only in the final network.
        partial_channels: into how many parts channels are divided, of which operations see one (PC-DARTS, Xu et al.,
            2020); as published 1 in the final network, which has the same choices.

    Raises:
        UsageError: fewer than three cells, or channels that cannot be divided.
    """
    small = input_shape[1] < 16
    width = width or (4 if small else 16)
    cells = cells or (3 if small else 8)
    if cells < 3:
        raise UsageError(f"darts has {cells} cells; use at least 3, so that there are normal and reduction cells.")
    decisions = {name: _Decisions.called(name) for name in ("normal", "reduce")}
    reductions = (cells // 3, 2 * cells // 3)
    reduces = [False, *(cell in reductions for cell in range(cells))]
    channels = [3 * width, 3 * width]
    stack: list[nn.Module] = []
    for reduced, reduce in pairwise(reduces):
        width *= 2 if reduce else 1
        first = FactorizedReduce if reduced else relu_conv_bn
        decided = decisions["reduce" if reduce else "normal"]
        edges = _edges(decided, width, reduce, affine, partial_channels)
        stack.append(
            CellOfTwo(
                first(channels[-2], width, affine=affine),
                relu_conv_bn(channels[-1], width, affine=affine),
                Cell(edges, INPUTS, "concat", kept=decided.kept),
            )
        )
        channels.append(NODES * width)
    stem = nn.Sequential(nn.Conv2d(input_shape[0], channels[0], 3, padding=1, bias=False), nn.BatchNorm2d(channels[0]))
    classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], classes))
    return CellStack(stem, stack, classifier, auxiliary=f"cells.{reductions[1]}")


class CellOfTwo(nn.Module):
    """A cell behind what brings its two inputs to its own width and resolution.

    Shapes: outputs of the last but one and of the last cell → ``[N, nodes * width, H, W]``.
    """

    def __init__(self, first: nn.Module, second: nn.Module, cell: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.cell = cell

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        y: Tensor = self.cell(self.first(before), self.second(last))
        return y


class CellStack(nn.Module):
    """Cells each of which sees the outputs of the two before it.

    Shapes: ``[N, channels, H, W]`` → ``[N, classes]``.

    Attributes:
        auxiliary: path of the module behind which a second classifier may be attached in training.
    """

    def __init__(self, stem: nn.Module, cells: Iterable[nn.Module], classifier: nn.Module, auxiliary: str) -> None:
        super().__init__()
        self.stem = stem
        self.cells = nn.ModuleList(cells)
        self.classifier = classifier
        self.auxiliary = auxiliary

    def forward(self, x: Tensor) -> Tensor:
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last)
        y: Tensor = self.classifier(last)
        return y


@dataclass(frozen=True)
class _Decisions:
    """What is chosen for all cells of a type: the operation of each edge, and which edges each node keeps."""

    operations: dict[tuple[int, int], Choice]
    kept: dict[int, Subset]

    @classmethod
    def called(cls, name: str) -> "_Decisions":
        return cls(
            {edge: Choice(OPERATIONS, name="{}.edge_{}_{}".format(name, *edge)) for edge in EDGES},
            {node: Subset(range(node), size=2, name=f"{name}.node_{node}") for node in range(INPUTS, INPUTS + NODES)},
        )


def _edges(
    decisions: _Decisions, width: int, reduce: bool, affine: bool, parts: int
) -> dict[tuple[int, int], nn.Module]:
    """The edges of one cell; in a reduction cell those from the inputs have a stride of two."""
    edges = {}
    for edge, choice in decisions.operations.items():
        stride = 2 if reduce and edge[0] < INPUTS else 1
        edges[edge] = on_part(partial(_candidates, choice, stride, affine), width, parts, stride)
    return edges


def _candidates(choice: Choice, stride: int, affine: bool, channels: int) -> OneOf:
    operations = (
        Zero(stride),
        pool(nn.MaxPool2d, channels, stride),
        pool(nn.AvgPool2d, channels, stride),
        skip(channels, stride, affine),
        separable_conv(channels, 3, stride, affine),
        separable_conv(channels, 5, stride, affine),
        dilated_conv(channels, 3, stride, affine),
        dilated_conv(channels, 5, stride, affine),
    )
    return OneOf(dict(zip(OPERATIONS, operations, strict=True)), choice)
