"""Local search."""

import itertools
from collections.abc import Sequence

import numpy as np

from nas.errors import UsageError
from nas.search.pareto import pareto_front
from nas.search.strategy import Result
from nas.search.unique_sampler import Memory
from nas.space import Architecture, Space

__all__ = ["Local"]


class Local:
    """Pareto local search (Paquete et al., 2004), a strong baseline for NAS (White et al., 2021).

    Proposes the unvisited neighbours of the current front, one of each member in turn and in random order. When the
    front has no unvisited neighbour, it waits for what is not told yet, then the climb starts anew from random
    architectures. While nothing feasible is known, the front is what violates the constraints least.

    Args:
        starts: random architectures that a climb starts from.

    Raises:
        UsageError: no starts.
    """

    def __init__(self, space: Space, seed: int = 0, *, starts: int = 10) -> None:
        if starts < 1:
            raise UsageError(f"local has starts {starts}; a climb needs at least 1.")
        self.starts = starts
        self._space = space
        self._memory = Memory(space, seed)
        self._climb: list[Result] = []
        self._neighbours: dict[Architecture, list[Architecture]] = {}
        self._untold: set[Architecture] = set()

    def ask(self, n: int) -> list[Architecture]:
        turns = itertools.zip_longest(*(self._neighbours_of(member) for member in self._front()))
        neighbours = (neighbour for turn in turns for neighbour in turn if neighbour is not None)
        found = list(itertools.islice(filter(self._memory.claim, neighbours), n))
        if not found and not self._untold:
            self._climb.clear()
            self._neighbours.clear()
            found = self._memory.draw(min(n, self.starts))
        self._untold.update(found)
        return found

    def tell(self, results: Sequence[Result]) -> None:
        self._untold.difference_update(result.architecture for result in results)
        self._climb += self._memory.add(results)

    def _front(self) -> list[Architecture]:
        least = min((result.violation for result in self._climb), default=0.0)
        best = [result for result in self._climb if result.violation == least]
        points = [result.objectives for result in best if result.feasible]
        if points:
            best = list(itertools.compress(best, pareto_front(np.array(points))))
        return [result.architecture for result in best]

    def _neighbours_of(self, member: Architecture) -> list[Architecture]:
        if member not in self._neighbours:
            neighbours = list(self._space.neighbours(member))
            order = self._memory.rng.permutation(len(neighbours))
            self._neighbours[member] = [neighbours[index] for index in order]
        return self._neighbours[member]
