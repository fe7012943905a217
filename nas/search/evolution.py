"""Regularised evolution, for one objective or several, with constraints."""

from collections.abc import Sequence

import numpy as np

from nas.errors import UsageError
from nas.search.standings import best_first
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space

__all__ = ["Evolution"]


class Evolution:
    """Ageing evolution (Real et al., 2019): parents win random tournaments, the oldest member of the population dies.

    With several objectives a tournament compares Pareto ranks, then crowding. Infeasible members rank below all
    feasible ones, by violation (Deb et al., 2002), and die first, the worst before the others, so a tight constraint
    can be approached on cheap metrics alone. There are no duplicates: if a crossover has been proposed before, a
    mutation is proposed instead; if all mutations that are tried have been, a random architecture is.

    Args:
        population: number of living members; the first ones are random.
        tournament: number of members drawn to select each parent.
        mutation: probability that each active choice of a mutated child changes; at least one does.
        crossover: probability that a child is a crossover of two parents instead of a mutation of one: 0 as published,
            one half as in once-for-all (Cai et al., 2020) and single-path one-shot (Guo et al., 2020).

    Raises:
        UsageError: an impossible size of the population or the tournament, or a probability outside 0 to 1.
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
                "use a population of at least 2 and a tournament between 1 and the population."
            )
        for option, probability in (("mutation", mutation), ("crossover", crossover)):
            if not 0 <= probability <= 1:
                raise UsageError(f"evolution has {option} {probability}; give a probability between 0 and 1.")
        self.population = population
        self.tournament = tournament
        self.mutation = mutation
        self.crossover = crossover
        self._space = space
        self._sampler = UniqueSampler(space, seed)
        self._population: list[Result] = []

    def ask(self, n: int) -> list[Architecture]:
        if len(self._population) < self.population:
            return self._sampler.sample(n)
        ranked = self._best_first()
        children = (self._child(ranked) for _ in range(n))
        return [child for child in children if child is not None]

    def tell(self, results: Sequence[Result]) -> None:
        self._population += filter(self.admits, self._sampler.record(results))
        while len(self._population) > self.population:
            oldest_of_worst = max(range(len(self._population)), key=lambda index: self._population[index].violation)
            del self._population[oldest_of_worst]

    def admits(self, result: Result) -> bool:
        """Whether an architecture with this result joins the population."""
        return True

    def _best_first(self) -> list[Architecture]:
        """The population from best to worst."""
        return [self._population[index].architecture for index in best_first(self._population)]

    def _child(self, ranked: Sequence[Architecture]) -> Architecture | None:
        rng = self._sampler.rng
        parent = self._tournament_winner(ranked)
        if rng.random() < self.crossover:
            child = self._space.cross(parent, self._tournament_winner(ranked), rng)
            if self._sampler.visit(child):
                return child
        return self._sampler.mutate(parent, self.mutation)

    def _tournament_winner(self, ranked: Sequence[Architecture]) -> Architecture:
        ranks = self._sampler.rng.choice(len(ranked), size=self.tournament, replace=False)
        return ranked[int(np.min(ranks))]
