"""A strategy as somebody writes it beside a run."""

import math
from collections.abc import Sequence

import numpy as np

from nas.search import Result
from nas.space import Architecture, Space


class Annealing:
    """Simulated annealing (Kirkpatrick et al., 1983): to neighbours, of which worse ones less and less.

    Without objectives it goes by the violation.
    """

    def __init__(self, space: Space, seed: int = 0, cooling: float = 0.98) -> None:
        self.space, self.cooling, self.temperature = space, cooling, 1.0
        self.rng, self.at, self.energy = np.random.default_rng(seed), space.smallest(), math.inf
        self.proposed: set[Architecture] = set()

    def ask(self, n: int) -> list[Architecture]:
        return [self._new() for _ in range(min(n, self.space.size - len(self.proposed)))]

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            energy = 1e3 * result.violation if result.objectives is None else result.objectives[0]
            self.temperature *= self.cooling
            if energy < self.energy or self.rng.random() < math.exp((self.energy - energy) / self.temperature):
                self.at, self.energy = result.architecture, energy

    def _new(self) -> Architecture:
        for _ in range(20):
            near = np.maximum(self.space.indices([self.at]), 0)
            column = self.rng.integers(near.shape[1])
            near[0, column] = self.rng.integers(len(list(self.space.choices.values())[column]))
            (drawn,) = self.space.from_indices(near)
            if drawn not in self.proposed:
                break
        else:
            drawn = next(each for each in self.space if each not in self.proposed)
        self.proposed.add(drawn)
        return drawn
