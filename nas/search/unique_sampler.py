"""Random architectures without repetition, for strategies that propose nothing twice."""

from collections.abc import Iterable

from nas.search.strategy import Result
from nas.space import Architecture, Space
from nas.streams import Stream, rng

__all__ = ["UniqueSampler"]

_SAMPLES = 100
_MUTATIONS = 20


class UniqueSampler:
    """Samples and mutates architectures of a space; skips those that have been visited.

    An architecture counts as visited once the strategy has proposed it or was told its result.

    Attributes:
        rng: the random generator, also for other draws of the strategy.
        results: the first result that the strategy was told of each architecture.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.rng = rng(seed, Stream.STRATEGY)
        self.results: dict[Architecture, Result] = {}
        self._space = space
        self._visited: set[Architecture] = set()
        self._enumeration = iter(space)
        self._exhausted = False

    def record(self, results: Iterable[Result]) -> list[Result]:
        """Marks the architectures as visited; returns the results of those that had none yet."""
        new = []
        for result in results:
            if result.architecture not in self.results:
                self.results[result.architecture] = result
                new.append(result)
        self._visited.update(result.architecture for result in new)
        return new

    def visit(self, architecture: Architecture) -> bool:
        """Marks an architecture as visited; False if it already was."""
        if architecture in self._visited:
            return False
        self._visited.add(architecture)
        return True

    def mutate(self, parent: Architecture, rate: float = 0.1) -> Architecture | None:
        """Visits a new mutation, or a sample after 20 duplicates in a row; None if the space is exhausted."""
        for _ in range(_MUTATIONS if self._space.size > 1 else 0):
            if self.visit(child := self._space.mutate(parent, self.rng, rate)):
                return child
        return self._sample_one()

    def sample(self, n: int) -> list[Architecture]:
        """Visits ``n`` new architectures, each choice drawn uniformly; fewer if the space is exhausted.

        After a hundred duplicates in a row the next architecture in lexicographic order is taken.
        """
        sampled: list[Architecture] = []
        while len(sampled) < n and (architecture := self._sample_one()) is not None:
            sampled.append(architecture)
        return sampled

    def _sample_one(self) -> Architecture | None:
        if self._exhausted:
            return None
        for _ in range(_SAMPLES):
            if self.visit(architecture := self._space.sample(self.rng)):
                return architecture
        following = next(filter(self.visit, self._enumeration), None)
        self._exhausted = following is None
        return following
