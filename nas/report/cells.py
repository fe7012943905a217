"""A derived cell drawn as a graph, read from the names of its choices alone, such as ``normal.edge_0_2``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.report.architecture_records import said
from nas.report.plotting import COLORS, SLATE, Figure, escaped, layout, scatter

__all__ = ["DerivedCell", "cell_figure", "derived_cells"]

_EDGE = re.compile(r"(?:(.+)\.)?edge_(\d+)_(\d+)")
_NODE = re.compile(r"(?:(.+)\.)?node_(\d+)")
_POINTS = 25
"""A curved edge is drawn through so many."""

_Ends = tuple[int, int]


@dataclass(frozen=True)
class DerivedCell:
    """The operations of a cell.

    Attributes:
        name: what stands before ``edge_<source>_<target>`` in the names of its choices; may be empty.
        edges: (source, target) → operation, of the edges that are kept, by target.
    """

    name: str
    edges: Mapping[_Ends, str]

    @property
    def nodes(self) -> list[int]:
        """All nodes that an edge touches, in order."""
        return sorted({node for edge in self.edges for node in edge})

    @property
    def inputs(self) -> list[int]:
        """Nodes that no edge leads into."""
        return [node for node in self.nodes if all(target != node for _, target in self.edges)]


def derived_cells(derived: Mapping[str, Any]) -> list[DerivedCell]:
    """The cells whose choices are named ``edge_<source>_<target>``, if any.

    Args:
        derived: choice → candidate. A choice ``node_<target>`` beside the edges of a cell lists the sources that it
            keeps; other edges into that node are left out.
    """
    kept = {
        (match[1] or "", int(match[2])): sources
        for choice, sources in derived.items()
        if (match := _NODE.fullmatch(choice)) and isinstance(sources, list | tuple)
    }
    cells: dict[str, dict[_Ends, str]] = {}
    for choice, operation in derived.items():
        if match := _EDGE.fullmatch(choice):
            name, source, target = match[1] or "", int(match[2]), int(match[3])
            if source < target and source in kept.get((name, target), {source}):
                cells.setdefault(name, {})[source, target] = said(operation)
    by_target = {name: sorted(edges.items(), key=lambda edge: edge[0][::-1]) for name, edges in cells.items()}
    return [DerivedCell(name, dict(edges)) for name, edges in by_target.items()]


def cell_figure(cell: DerivedCell, operations: Sequence[str]) -> Figure:
    """Nodes from left to right, an arc for each edge with its operation at the middle.

    Args:
        operations: all that occur in any cell of the page; each has one colour, from the seventh on dotted.
    """
    position = {node: index for index, node in enumerate(cell.nodes)}
    heights = _heights([(position[source], position[target]) for source, target in cell.edges])
    curves: dict[str, list[_Curve]] = {}
    for (source, target), operation in cell.edges.items():
        ends = position[source], position[target]
        curves.setdefault(operation, []).append(_Curve(*ends, heights[ends], f"{source} → {target}"))
    edges = [_edges(name, curves[name], index) for index, name in enumerate(operations) if name in curves]
    frame = layout("", "")
    frame["annotations"] = [_annotation(name, curve) for name in curves for curve in curves[name]]
    frame["xaxis"] = {"visible": False, "range": [-0.5, len(position) - 0.5]}
    frame["yaxis"] = {"visible": False, "range": [min(0.0, *heights.values()) - 1, max(0.0, *heights.values()) + 1]}
    return {"data": [*edges, _nodes(cell)], "layout": frame}


@dataclass(frozen=True)
class _Curve:
    """An edge from one position on the line of nodes to another, with the height of its middle over that line."""

    start: int
    end: int
    height: float
    ends: str


def _heights(edges: Sequence[_Ends]) -> dict[_Ends, float]:
    """Neighbours are joined by a straight line, all others by arcs above and below in turn, each of its own height."""
    heights: dict[_Ends, float] = dict.fromkeys(edges, 0.0)
    arcs = sorted((edge for edge in edges if edge[1] - edge[0] > 1), key=lambda edge: (edge[1] - edge[0], edge))
    for index, edge in enumerate(arcs):
        heights[edge] = (1.0 if index % 2 == 0 else -1.0) * (1 + index // 2)
    return heights


def _edges(operation: str, curves: Sequence[_Curve], index: int) -> dict[str, Any]:
    """All edges with one operation; None ends a curve."""
    along = np.linspace(0, 1, _POINTS)
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for curve in curves:
        x += [*(curve.start + (curve.end - curve.start) * along).round(3).tolist(), None]
        y += [*(4 * curve.height * along * (1 - along)).round(3).tolist(), None]
        texts += [escaped(f"{curve.ends}: {operation}")] * (_POINTS + 1)
    return scatter(operation, x, y, "lines") | {
        "text": texts,
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": COLORS[index % 6], "width": 2.5, "dash": "solid" if index < 6 else "dot"},
    }


def _annotation(operation: str, curve: _Curve) -> dict[str, Any]:
    """The operation beside the middle of its edge, on the far side from the line of nodes."""
    middle, shift = (curve.start + curve.end) / 2, -11 if curve.height < 0 else 11
    return {"x": middle, "y": curve.height, "text": escaped(operation), "showarrow": False, "yshift": shift}


def _nodes(cell: DerivedCell) -> dict[str, Any]:
    nodes = cell.nodes
    return scatter("nodes", list(range(len(nodes))), [0] * len(nodes), "markers+text") | {
        "text": [f"<b>{node}</b>" for node in nodes],
        "textposition": "middle center",
        "textfont": {"color": "#ffffff"},
        "hoverinfo": "skip",
        "showlegend": False,
        "marker": {"size": 30, "color": ["#5d6878" if node in cell.inputs else "#2b3544" for node in nodes]}
        | {"line": {"color": SLATE, "width": 1}},
    }
