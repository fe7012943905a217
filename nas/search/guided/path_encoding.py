"""Cells as the paths that data can take through them."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.search.guided.encodings import Columns, Encode, Rows
from nas.space import Space

__all__ = ["has_paths", "paths"]

_EDGE = re.compile(r"(?P<cell>.*?)\.?edge_(?P<start>\d+)_(?P<end>\d+)")
_NOTHING = ("none", "zero")
_LONGEST = 3


@dataclass(frozen=True)
class _Edge:
    cell: str
    start: int
    end: int
    place: int
    """Of the choice of its operation."""


def has_paths(space: Space) -> bool:
    """Whether choices of the space are named as edges of cells."""
    return bool(_edges(space))


def paths(space: Space) -> Encode:
    """A column for each sequence of operations that data can take through a cell (BANANAS; White et al., 2021).

    Choices named ``edge_0_1`` (from node 0 to node 1) and so on are a cell; those of several cells have another name
    in front, such as ``normal.edge_0_1``. Paths lead from nodes that no edge enters to nodes that none leaves. An edge
    that is inactive, ``none`` or ``zero`` is no part of any. Sequences of more than three operations have no column.
    Choices that are no edges are one-hot.

    Raises:
        UsageError: no choice is named as an edge.

    >>> space = Space({"edge_0_1": ["none", "conv"], "edge_1_2": ["none", "conv"], "edge_0_2": ["none", "conv"]})
    >>> paths(space)(space.indices([{"edge_0_1": "conv", "edge_1_2": "conv", "edge_0_2": "none"}])).tolist()
    [[0.0, 1.0]]
    """
    edges = _edges(space)
    if not edges:
        raise UsageError(
            "encoding 'path' needs cells, whose choices are named edge_0_1 and so on, but this space has none; "
            "use 'one-hot'."
        )
    numbers: dict[tuple[str, ...], int] = {}
    tables = [(route, _numbered(space, route, numbers)) for route in _routes(edges)]
    places = {edge.place for edge in edges}
    others = [place not in places for place, each in enumerate(space.choices.values()) for _ in each]

    def encode(rows: Rows) -> Columns:
        found = np.zeros((len(rows), len(numbers) + 1))
        for route, table in tables:
            found[np.arange(len(rows)), table[tuple(rows[:, edge.place] for edge in route)]] = 1.0
        return np.hstack([found[:, :-1], space.one_hot(rows)[:, others]], dtype=np.float64)

    return encode


def _edges(space: Space) -> list[_Edge]:
    matches = [(place, _EDGE.fullmatch(name)) for place, name in enumerate(space.choices)]
    edges = [_Edge(each["cell"], int(each["start"]), int(each["end"]), place) for place, each in matches if each]
    return [edge for edge in edges if edge.start < edge.end]


def _routes(edges: Sequence[_Edge]) -> Iterator[tuple[_Edge, ...]]:
    """All ways through the cells that have few enough edges."""
    ends = {(edge.cell, edge.end) for edge in edges}
    starts = {(edge.cell, edge.start) for edge in edges}
    waiting: list[tuple[_Edge, ...]] = [(edge,) for edge in edges if (edge.cell, edge.start) not in ends]
    while waiting:
        route = waiting.pop(0)
        last = route[-1]
        if (last.cell, last.end) not in starts:
            yield route
        elif len(route) < _LONGEST:
            waiting += [(*route, edge) for edge in edges if (edge.cell, edge.start) == (last.cell, last.end)]


def _numbered(space: Space, route: Sequence[_Edge], numbers: dict[tuple[str, ...], int]) -> NDArray[np.int64]:
    """The column of each sequence of operations along a route, by their indices; -1, the last, where there is none."""
    operations: list[tuple[Any, ...]] = [[*space.choices.values()][edge.place] for edge in route]
    table = np.full([len(each) + 1 for each in operations], -1)
    for indices in itertools.product(*(range(len(each)) for each in operations)):
        labels = [str(each[index]) for each, index in zip(operations, indices, strict=True)]
        if not set(labels) & set(_NOTHING):
            table[indices] = numbers.setdefault((route[0].cell, *labels), len(numbers))
    return table
