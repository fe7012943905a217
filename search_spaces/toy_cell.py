"""The cell space of the TangleNAS benchmark: six edges, four operations, 4,096 architectures."""

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Branch, Cell, Conv2d, Elastic, Gate, Gates, OneOf
from nas.nn.elastic import Copy
from nas.nn.gate import push_forward
from nas.nn.tree import children
from nas.space import Choice, Notation, choices_of
from search_spaces.cell_operations import dilated_conv, on_part, relu_conv_bn, separable_conv

__all__ = ["EDGES", "NOTATION", "OPERATIONS", "Entangled", "toy_cell"]

OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
EDGES = ((0, 1), (0, 2), (1, 2))

_NOTHING = 1e-6
"""Weights up to here are taken for rounding errors of zero."""

_KINDS = {"sep_conv": separable_conv, "dil_conv": dilated_conv}


def toy_cell(
    input_shape: tuple[int, int, int] = (1, 28, 28),
    classes: int = 10,
    width: int | None = None,
    partial_channels: int = 1,
    entangled: bool = False,
    dropout: float = 0.2,
) -> nn.Module:
    """The cell space of the TangleNAS benchmark (Sukthanker et al., 2023): a reduction, a normal, a reduction cell.

    Both nodes of a cell keep all edges and are its output; batch norms have no weights. Images below 16 pixels get a
    narrower network than the published one.

    Args:
        input_shape: channels, height and width of the images; at least 5 pixels a side.
        classes: number of outputs.
        width: channels of each node of the first two cells, half of those of the third; 32 as published.
        partial_channels: into how many parts channels are divided, of which operations see one (PC-DARTS).
        entangled: whether the two kernels of an operation share their weights, see :class:`Entangled`.
        dropout: probability that a value is dropped behind a cell.

    Raises:
        UsageError: channels that cannot be divided.
    """
    width = width or (8 if input_shape[1] < 16 else 32)
    make = Entangled if entangled else _one_of
    choices = {
        kind: {edge: Choice(OPERATIONS, name=_name(kind, edge)) for edge in EDGES} for kind in ("normal", "reduce")
    }
    modules: list[tuple[str, nn.Module]] = []
    inputs, size = input_shape[0], input_shape[1:]
    for number, (kind, nodes) in enumerate((("reduce", width), ("normal", width), ("reduce", 2 * width)), start=1):
        edges: dict[tuple[int, int], nn.Module] = {}
        for edge, choice in choices[kind].items():
            stride = 2 if kind == "reduce" and edge[0] == 0 else 1
            edges[edge] = on_part(partial(make, choice, stride), nodes, partial_channels, stride)
        modules += [
            (f"preprocess{number}", relu_conv_bn(inputs, nodes, affine=False)),
            (f"cell{number}", Cell(edges, output="concat")),
            (f"dropout{number}", nn.Dropout(dropout)),
        ]
        inputs = 2 * nodes
    height, breadth = (-(-side // 4) // 2 for side in size)
    hidden = 4 * width
    modules += [
        ("pool", nn.MaxPool2d(2)),
        ("hidden", nn.Sequential(nn.Flatten(), nn.Linear(inputs * height * breadth, hidden), nn.ReLU())),
        ("classifier", nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, classes))),
    ]
    return nn.Sequential(OrderedDict(modules))


def _parse(normal: object, reduce: object) -> dict[str, str]:
    """The choices of a network that is written as in the benchmark: three operations for each type of cell.

    >>> cells = _parse("sep_conv_3x3|dil_conv_3x3|dil_conv_5x5", "sep_conv_5x5|sep_conv_5x5|sep_conv_5x5")
    >>> cells["normal.edge_0_2"]
    'dil_conv_3x3'
    """
    values: dict[str, str] = {}
    for kind, text in (("normal", normal), ("reduce", reduce)):
        operations = text.split("|") if isinstance(text, str) else []
        if len(operations) != len(EDGES) or set(operations) - set(OPERATIONS):
            raise UsageError(
                f"{text!r} is no {kind} cell of the TangleNAS benchmark; write its three operations like "
                f"sep_conv_3x3|dil_conv_5x5|sep_conv_5x5, each one of {list(OPERATIONS)}."
            )
        values |= {_name(kind, edge): operation for edge, operation in zip(EDGES, operations, strict=True)}
    return values


NOTATION = Notation(("normal", "reduce"), _parse)


class Entangled(Elastic):
    """The operations of an edge where the 3x3 kernels are the centre of the 5x5 ones (weight entanglement).

    There are two modules for the four operations: a separable and a dilated convolution, each with one set of weights.
    Under a soft gate each runs once, with the sum of its kernels weighted as they are among themselves, and its output
    has the weight of both together. So the gates change with the operation as well as with the kernel although batch
    norms undo any scale of the kernels.

    Args:
        choice: of the operation.
        stride: of the edge.
        channels: of input and output.
    """

    def __init__(self, choice: Choice, stride: int, channels: int) -> None:
        super().__init__()
        self.choice = choice
        self.arguments = {"": choice}
        for kind, operation in _KINDS.items():
            depthwise = partial(EntangledConv2d, kind)
            self.add_module(kind, operation(channels, choice.map(_kernel_of), stride, False, depthwise))

    def configure(self, gates: Gates) -> None:
        self._gate = push_forward(lambda values: _kind_of(values[self.choice]), (self.choice,), gates)

    def forward(self, x: Tensor) -> Tensor:
        return self._gate.mix(lambda kind: self.get_submodule(kind)(x))

    def branches(self) -> Iterator[Branch]:
        for kind, operation in children(self):
            yield Branch(kind, operation, self.choice.map(_kind_of), kind.__eq__)

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        return ((kind, self.get_submodule(kind)) for kind in self._gate.values)

    def plain(self, copy: Copy) -> nn.Module:
        return copy(self.get_submodule(self._gate.values[0]))


class EntangledConv2d(Conv2d):
    """A convolution that runs for some operations of a choice alone and weighs its kernels among those.

    Args:
        kind: what the names of these operations begin with.
        arguments: of a convolution whose kernel depends on the choice of the operation.
    """

    def __init__(self, kind: str, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.kind = kind

    def configure(self, gates: Gates) -> None:
        (choice,) = choices_of(*self.arguments.values())
        super().configure({choice: _given(self.kind, gates[choice])})


def _given(kind: str, gate: Gate) -> Gate:
    """The gate over the operations of one kind, weighted equally where together they weigh nothing.

    Left as it is where no candidate is of that kind, since then the convolution does not run.
    """
    positions = [position for position, name in enumerate(gate.values) if _kind_of(name) == kind]
    if gate.weights is None or not positions:
        return gate
    weights = gate.weights[positions]
    total = weights.sum()
    weighs = total > _NOTHING
    equal = torch.full_like(weights, 1 / len(positions))
    shares = torch.where(weighs, weights / torch.where(weighs, total, 1), equal)
    return Gate(tuple(gate.values[position] for position in positions), shares)


def _kernel_of(operation: str) -> int:
    return int(operation[-1])


def _kind_of(operation: str) -> str:
    return operation[: len("sep_conv")]


def _name(kind: str, edge: tuple[int, int]) -> str:
    return "{}.edge_{}_{}".format(kind, *edge)


def _one_of(choice: Choice, stride: int, channels: int) -> OneOf:
    operations = (
        _KINDS[_kind_of(operation)](channels, _kernel_of(operation), stride, False) for operation in OPERATIONS
    )
    return OneOf(dict(zip(OPERATIONS, operations, strict=True)), choice)
