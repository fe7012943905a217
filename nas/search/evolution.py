"""Regularised evolution, for one objective or several, with constraints."""

from collections.abc import Sequence

import numpy as np

from nas.errors import UsageError
from nas.search.pareto import best_first
from nas.search.strategy import Result
from nas.search.unique_sampler import Memory
from nas.space import Architecture, Space

__all__ = ["Evolution"]


class Evolution:
    """Ageing evolution (Real et al., 2019): the best of a random tournament has a child, the oldest member dies.

    With several objectives a tournament goes by Pareto rank, then by crowding. Infeasible members rank below all
    feasible ones, by violation (Deb et al., 2002), and die first, the worst before the others: a tight constraint
    is approached on cheap metrics alone. Proposals are not repeated: a crossover that is known gives way to a
    mutation, and where only known mutations come up, to a random architecture.

    Args:
        population: members that live; the first ones are random.
        tournament: members drawn for each parent.
        mutation: probability that each active choice of a mutated child changes; at least one does.
        crossover: probability that a child has two parents instead of a mutation; 0 as published, half as in
            once-for-all (Cai et al., 2020) and single-path one-shot (Guo et al., 2020).

    Raises:
        UsageError: a population or tournament that cannot be, or a probability outside 0 to 1.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        *,
        population: int = 20,
        tournament: int = 5,
        mutation: float = 0.1,
        crossover: float = 0.5,
    ) -> None:
        if population < 2 or not 1 <= tournament <= population:
            raise UsageError(
                f"evolution has population {population} and tournament {tournament}; "
                "take a population of at least 2 and a tournament between 1 and the population."
            )
        for option, probability in (("mutation", mutation), ("crossover", crossover)):
            if not 0 <= probability <= 1:
                raise UsageError(f"evolution has {option} {probability}; give a probability between 0 and 1.")
        self.population = population
        self.tournament = tournament
        self.mutation = mutation
        self.crossover = crossover
        self._space = space
        self._memory = Memory(space, seed)
        self._members: list[Result] = []

    def ask(self, n: int) -> list[Architecture]:
        if len(self._members) < self.population:
            return self._memory.draw(n)
        standing = self._standing()
        children = (self._child(standing) for _ in range(n))
        return [child for child in children if child is not None]

    def tell(self, results: Sequence[Result]) -> None:
        self._members += self._memory.add(results)
        while len(self._members) > self.population:
            oldest_of_worst = max(range(len(self._members)), key=lambda index: self._members[index].violation)
            del self._members[oldest_of_worst]

    def _standing(self) -> list[Architecture]:
        """The members from best to worst."""
        width = max((len(member.objectives) for member in self._members if member.objectives), default=1)
        points = [member.objectives or (0.0,) * width for member in self._members]
        violations = [member.violation for member in self._members]
        return [self._members[index].architecture for index in best_first(points, violations)]

    def _child(self, standing: Sequence[Architecture]) -> Architecture | None:
        rng = self._memory.rng
        mother = self._winner(standing)
        if rng.random() < self.crossover:
            child = self._space.cross(mother, self._winner(standing), rng)
            if self._memory.claim(child):
                return child
        return self._memory.vary(mother, self.mutation)

    def _winner(self, standing: Sequence[Architecture]) -> Architecture:
        entrants = self._memory.rng.choice(len(standing), size=self.tournament, replace=False)
        return standing[int(np.min(entrants))]
