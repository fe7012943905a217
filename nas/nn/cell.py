"""A directed acyclic graph of operations."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.elastic import Branch, Copy, Elastic, inactive
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gate, Gates
from nas.nn.graph import as_graph
from nas.nn.one_of import OneOf
from nas.nn.zero import Zero
from nas.space import Subset

__all__ = ["Cell"]


class Cell(Elastic):
    """Nodes that sum the edges which lead into them; an edge applies its module to an earlier node.

    Nodes ``0 .. inputs - 1`` are the cell's inputs. Edges whose operation is :class:`~nas.nn.Zero` are not run
    unless nothing else leads into the node. Under soft gates an edge that may be left out is weighted by its gate.

    Args:
        edges: (source, target) → module, usually a :class:`~nas.nn.OneOf`; sources come before targets.
        inputs: number of input nodes: 1 as in NAS-Bench-201 (Dong and Yang, 2020), 2 as in DARTS (Liu et al., 2019).
        output: "last" gives the last node, "concat" all inner nodes along the channels.
        kept: node → a :class:`~nas.space.Subset` of the sources of its edges: those edges that lead into it.

    Raises:
        UsageError: an edge that does not lead forward, an inner node without an edge, or a subset of other elements
            than the sources of a node's edges.
    """

    def __init__(
        self,
        edges: Mapping[tuple[int, int], nn.Module],
        inputs: int = 1,
        output: Literal["last", "concat"] = "last",
        kept: Mapping[int, Subset] | None = None,
    ) -> None:
        super().__init__()
        require_fixed("Cell", inputs=inputs, output=output)
        self.nodes = 1 + max((target for _, target in edges), default=0)
        self.inputs = inputs
        self.output = output
        self.kept = dict(kept or {})
        self.arguments: Mapping[str, Any] = {f"kept_{node}": subset for node, subset in self.kept.items()}
        for source, target in edges:
            if not 0 <= source < target or target < inputs:
                raise UsageError(f"Cell edge {(source, target)} must lead from an earlier node to an inner node.")
        self._sources = {
            node: sorted(source for source, target in edges if target == node) for node in range(inputs, self.nodes)
        }
        lonely = [node for node, sources in self._sources.items() if not sources]
        if lonely or self.nodes <= inputs:
            raise UsageError(f"Cell node {lonely[0] if lonely else inputs} has no edge that leads into it.")
        for node, subset in self.kept.items():
            if sorted(subset.elements) != self._sources.get(node):
                raise UsageError(
                    f"Cell node {node} keeps some of {list(subset.elements)}, but its edges come from "
                    f"{self._sources.get(node, [])}; give a Subset of these."
                )
        for (source, target), module in sorted(edges.items()):
            self.add_module(_name(source, target), module)

    def edge(self, source: int, target: int) -> nn.Module:
        """The module on an edge."""
        return self.get_submodule(_name(source, target))

    @property
    def edges(self) -> list[tuple[int, int]]:
        """(source, target) of every edge, by target."""
        return [(source, node) for node, sources in self._sources.items() for source in sources]

    def reach(self, zero: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which nodes depend on an input, and which the output depends on.

        Args:
            zero: ``[n, edges]``, whether an edge's operation is zero, in the order of :attr:`edges`.

        Returns:
            Two arrays ``[n, nodes]``.
        """
        reached = np.zeros((len(zero), self.nodes), dtype=bool)
        needed = np.zeros_like(reached)
        reached[:, : self.inputs] = True
        needed[:, -1 if self.output == "last" else slice(self.inputs, None)] = True
        for edge, (source, node) in enumerate(self.edges):
            reached[:, node] |= reached[:, source] & ~zero[:, edge]
        for edge, (source, node) in reversed(list(enumerate(self.edges))):
            needed[:, source] |= needed[:, node] & ~zero[:, edge]
        return reached, needed

    def configure(self, gates: Gates) -> None:
        self._gates = {node: gates[subset] for node, subset in self.kept.items()}

    def forward(self, *inputs: Tensor) -> Tensor:
        nodes = [inputs[index] for index in range(self.inputs)]
        for node in range(self.inputs, self.nodes):
            first, *others = (self._carry(source, node, nodes[source], weight) for source, weight in self._live(node))
            nodes.append(sum(others, first))
        return nodes[-1] if self.output == "last" else torch.cat(nodes[self.inputs :], 1)

    def _carry(self, source: int, node: int, x: Tensor, weight: Tensor | None) -> Tensor:
        y: Tensor = self.edge(source, node)(x)
        return y if weight is None else weight * y

    def branches(self) -> Iterator[Branch]:
        for source, node in sorted(self.edges):
            edge = self.edge(source, node)
            if node in self.kept:
                yield Branch(_name(source, node), edge, self.kept[node], partial(_holds, source))
            else:
                yield Branch(_name(source, node), edge)

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        for source, node in self._running_edges():
            yield _name(source, node), self.edge(source, node)

    def plain(self, copy: Copy) -> nn.Module:
        edges = {(source, node): copy(self.edge(source, node)) for source, node in self._running_edges()}
        return as_graph(Cell(edges, self.inputs, self.output).train(self.training))

    def _running_edges(self) -> list[tuple[int, int]]:
        return [(source, node) for node in self._sources for source, _ in self._live(node)]

    def _live(self, node: int) -> list[tuple[int, Tensor | None]]:
        """The sources whose edges are run, and their weights: those that are not zero, or the first if all are."""
        incoming = self._incoming(node)
        return [each for each in incoming if not _is_zero(self.edge(each[0], node))] or incoming[:1]

    def _incoming(self, node: int) -> list[tuple[int, Tensor | None]]:
        """The sources that the node keeps, with their weights under a soft gate."""
        if node not in self.kept:
            return [(source, None) for source in self._sources[node]]
        gate = self._gate(node)
        if gate.weights is None:
            return [(source, None) for source in gate.values[0]]
        return list(zip(gate.values, gate.weights, strict=True))

    def _gate(self, node: int) -> Gate:
        if "_gates" not in vars(self):
            raise inactive(self)
        return self._gates[node]


def _holds(source: int, kept: tuple[int, ...]) -> bool:
    return source in kept


def _name(source: int, target: int) -> str:
    return f"edge_{source}_{target}"


def _is_zero(edge: nn.Module) -> bool:
    operation = edge.chosen if isinstance(edge, OneOf) else edge
    return isinstance(operation, Zero)
