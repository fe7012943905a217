"""Monte Carlo tree search: decisions one after another, each by how the architectures below it have done."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nas.errors import UsageError
from nas.search.standings import standings
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space
from nas.space.condition import is_active

__all__ = ["TreeSearch"]


@dataclass
class _Node:
    """What is left to decide after some decisions.

    Attributes:
        visits: architectures below it that were proposed or told.
        results: places of those below it in the list of results.
        exhausted: whether every architecture below it has been visited.
        below: by candidate of the next choice what then is left; nothing before it is met.
    """

    visits: int = 0
    results: list[int] = field(default_factory=list)
    exhausted: bool = False
    below: "list[_Node]" = field(default_factory=list)


class TreeSearch:
    """Walks down the tree of decisions by upper confidence bounds (UCT; DeepArchitect, Negrinho and Gordon, 2017).

    A choice follows those that decide whether it is there, else choices come in their order, of which the first are
    learnt best. What has not been tried is tried first, at random; then the candidate with the best mean standing of
    the architectures below it plus ``exploration * sqrt(2 ln N / n)``, if n of N went there. A standing is the share of
    all results that are worse, so no scale matters. What has been visited wholly is left out.

    Args:
        exploration: how much rarely tried candidates are favoured; 0 for never.

    Raises:
        UsageError: a negative exploration.
    """

    def __init__(self, space: Space, seed: int = 0, *, exploration: float = 0.1) -> None:
        if not 0 <= exploration < math.inf:
            raise UsageError(f"mcts has exploration {exploration}; use a number of 0 or more, such as 0.1.")
        self.exploration = exploration
        self._space = space
        self._sampler = UniqueSampler(space, seed)
        self._root = _Node()
        self._standings = np.empty(0)

    def ask(self, n: int) -> list[Architecture]:
        self._standings = standings(list(self._sampler.results.values()))
        proposals: list[Architecture] = []
        while len(proposals) < n and not self._root.exhausted:
            path, architecture = self._walk(None)
            _visit(path)
            self._sampler.visit(architecture)
            proposals.append(architecture)
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            if result.architecture not in self._sampler.results:
                path, _ = self._walk(result.architecture)
                if self._sampler.visit(result.architecture):
                    _visit(path)
                for node in path:
                    node.results.append(len(self._sampler.results))
                self._sampler.record([result])

    def _walk(self, towards: Architecture | None) -> tuple[list[_Node], Architecture]:
        """The way from the root to an architecture: a given one, or a new one that it selects."""
        rows = self._space.indices([] if towards is None else [towards])
        wanted = dict(zip(self._space.choices, rows[0].tolist(), strict=True)) if len(rows) else {}
        chosen: dict[str, int] = {}
        path = [self._root]
        for name in self._space.decision_order:
            if is_active(self._space.uses[name], chosen):
                node = path[-1]
                node.below = node.below or [_Node() for _ in self._space.choices[name]]
                chosen[name] = wanted[name] if wanted else self._selected(node)
                path.append(node.below[chosen[name]])
        (architecture,) = self._space.from_indices([[chosen.get(name, -1) for name in self._space.choices]])
        return path, architecture

    def _selected(self, node: _Node) -> int:
        """The candidate with the highest bound, of those that are not exhausted; of equal ones any."""
        bounds = np.array([-math.inf if below.exhausted else self._bound(node, below) for below in node.below])
        best = np.flatnonzero(bounds == bounds.max())
        return int(best[self._sampler.rng.integers(len(best))])

    def _bound(self, node: _Node, below: _Node) -> float:
        """Infinite as long as it has not been tried; what is still being evaluated counts as the worst."""
        if not below.visits:
            return math.inf
        mean = float(self._standings[below.results].sum()) / below.visits
        return mean + self.exploration * math.sqrt(2 * math.log(node.visits) / below.visits)


def _visit(path: Sequence[_Node]) -> None:
    """Counts a visit of what the path ends at, which then is exhausted."""
    for node in path:
        node.visits += 1
    path[-1].exhausted = True
    for node in reversed(path[:-1]):
        node.exhausted = all(below.exhausted for below in node.below)
