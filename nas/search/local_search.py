"""Local search."""

import itertools
from collections.abc import Sequence

import numpy as np

from nas.errors import UsageError
from nas.search.pareto import pareto_front
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space

__all__ = ["LocalSearch"]


class LocalSearch:
    """Pareto local search (Paquete et al., 2004), a strong baseline for NAS (White et al., 2021).

    Proposes unvisited neighbours of the current Pareto front, in random order and of each member in turn. If there are
    none, it waits for all pending results and then restarts from random architectures. As long as nothing is feasible,
    the front consists of the architectures with the smallest violation.

    Args:
        starts: number of random architectures at each restart.

    Raises:
        UsageError: no starts.
    """

    def __init__(self, space: Space, seed: int = 0, *, starts: int = 10) -> None:
        if starts < 1:
            raise UsageError(f"local has starts {starts}; local search needs at least 1.")
        self.starts = starts
        self._space = space
        self._sampler = UniqueSampler(space, seed)
        self._results: list[Result] = []
        """Since the last restart."""
        self._neighbours: dict[Architecture, list[Architecture]] = {}
        self._pending: set[Architecture] = set()

    def ask(self, n: int) -> list[Architecture]:
        turns = itertools.zip_longest(*(self._neighbours_of(member) for member in self._front()))
        neighbours = (neighbour for turn in turns for neighbour in turn if neighbour is not None)
        proposals = list(itertools.islice(filter(self._sampler.visit, neighbours), n))
        if not proposals and not self._pending:
            self._results.clear()
            self._neighbours.clear()
            proposals = self._sampler.sample(min(n, self.starts))
        self._pending.update(proposals)
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        self._pending.difference_update(result.architecture for result in results)
        self._results += self._sampler.record(results)

    def _front(self) -> list[Architecture]:
        least = min((result.violation for result in self._results), default=0.0)
        best = [result for result in self._results if result.violation == least]
        points = [result.objectives for result in best if result.feasible]
        if points:
            best = list(itertools.compress(best, pareto_front(np.array(points))))
        return [result.architecture for result in best]

    def _neighbours_of(self, member: Architecture) -> list[Architecture]:
        """In random order."""
        if member not in self._neighbours:
            neighbours = list(self._space.neighbours(member))
            order = self._sampler.rng.permutation(len(neighbours))
            self._neighbours[member] = [neighbours[index] for index in order]
        return self._neighbours[member]
