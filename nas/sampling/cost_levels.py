"""Levels of a cost, and random architectures at each of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas.space import Architecture, Samplable, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CostLevels", "CostTable"]

CostTable = Callable[[Sequence[Architecture]], "pd.DataFrame"]
"""Architectures → a row of costs for each, in the same order, such as :meth:`nas.problem.Problem.cost_table`."""

_WALKS = 5
_DRAWS = 30
_KEPT = 1000


class CostLevels:
    """Equal parts of the range of a cost, from that of the smallest architecture to that of the largest.

    Drawing each choice uniformly hardly ever gives an architecture at either end of the range (AttentiveNAS, Wang et
    al., 2021; ShiftNAS, Zhang et al., 2023).

    Args:
        space: what architectures are drawn from.
        costs: of architectures.
        levels: how many there are.
        metric: the column of the costs.
    """

    def __init__(self, space: Samplable, costs: CostTable, levels: int = 10, metric: str = "flops") -> None:
        self.space, self.costs, self.metric = space, costs, metric
        low, high = costs([space.smallest(), space.largest()])[metric]
        self._known: dict[Architecture, float] = {}
        self.edges = np.linspace(low, high, levels + 1)

    def __len__(self) -> int:
        return len(self.edges) - 1

    def of(self, architecture: Architecture) -> int:
        """The level of an architecture, from 0; those outside of the range count to its ends."""
        return int(np.searchsorted(self.edges[1:-1], self._cost(architecture), side="right"))

    def of_all(self, architectures: Sequence[Architecture]) -> list[int]:
        """The levels of architectures."""
        if not architectures:
            return []
        costs = self.costs(architectures)[self.metric].to_numpy(dtype=float)
        levels: list[int] = np.searchsorted(self.edges[1:-1], costs, side="right").tolist()
        return levels

    def draw(self, level: int, draws: np.random.Generator) -> Architecture:
        """A random architecture at a level, or near to it where there is none.

        It is drawn uniformly, and then takes over the candidates of the largest or of the smallest architecture for as
        many choices, in random order, as it needs to come to the level. Where the space cannot combine architectures,
        draws are repeated instead, and the nearest is taken.
        """
        found, combines = list[Architecture](), isinstance(self.space, Space)
        for _ in range(_WALKS if combines else _DRAWS):
            found += self._walk(level, draws) if combines else [self.space.sample(draws)]
            if self.of(found[-1]) == level:
                return found[-1]
        return min(found, key=lambda each: self._distance(each, level))

    def _walk(self, level: int, draws: np.random.Generator) -> list[Architecture]:
        """Steps of a bisection on the number of choices that are taken over; the last is at the level, if any is."""
        space = self.space
        assert isinstance(space, Space)
        start, order = space.sample(draws), draws.permutation(list(space.choices)).tolist()
        grows = self.of(start) < level
        share, goal = (1.0, space.largest()) if grows else (0.0, space.smallest())
        visited, kept, taken = [start], 0, len(order) + 1
        while self.of(visited[-1]) != level and taken - kept > 1:
            middle = (kept + taken) // 2
            own = {name: start[name] for name in order[middle:] if name in start}
            visited.append(space.complete({**goal, **own}, share))
            if (self.of(visited[-1]) < level) == grows:
                kept = middle
            else:
                taken = middle
        return visited

    def _cost(self, architecture: Architecture) -> float:
        if architecture not in self._known:
            if len(self._known) == _KEPT:
                self._known.clear()
            self._known[architecture] = float(self.costs([architecture])[self.metric].iloc[0])
        return self._known[architecture]

    def _distance(self, architecture: Architecture, level: int) -> float:
        return abs(self._cost(architecture) - float(self.edges[level : level + 2].mean()))
