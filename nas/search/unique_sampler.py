"""What a strategy has proposed and been told, so that it proposes nothing twice."""

from collections.abc import Iterable

from nas.search.strategy import Result
from nas.space import Architecture, Space
from nas.streams import Stream, rng

__all__ = ["Memory"]

_DRAWS = 100
_MUTATIONS = 20


class Memory:
    """The visited part of a space, and random draws from the rest.

    Attributes:
        rng: the generator of the strategy that owns this memory.
        results: the first result told about each architecture.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.rng = rng(seed, Stream.STRATEGY)
        self.results: dict[Architecture, Result] = {}
        self._visited: set[Architecture] = set()
        self._enumeration = iter(space)
        self._exhausted = False

    def add(self, results: Iterable[Result]) -> list[Result]:
        """Keeps those that are new, and gives them back."""
        new = []
        for result in results:
            if result.architecture not in self.results:
                self.results[result.architecture] = result
                new.append(result)
        self._visited.update(result.architecture for result in new)
        return new

    def claim(self, architecture: Architecture) -> bool:
        """Marks an architecture as visited; False when it already was."""
        if architecture in self._visited:
            return False
        self._visited.add(architecture)
        return True

    def vary(self, parent: Architecture, rate: float = 0.1) -> Architecture | None:
        """Claims an unvisited mutation of the parent; where only repetitions come up, draws; None at the end."""
        for _ in range(_MUTATIONS if self.space.size > 1 else 0):
            if self.claim(child := self.space.mutate(parent, self.rng, rate)):
                return child
        return self._unvisited()

    def draw(self, n: int) -> list[Architecture]:
        """Claims ``n`` unvisited architectures, uniformly over choices; fewer when the space ends.

        Where a hundred draws in a row were visited before, the next one in lexicographic order is taken.
        """
        drawn: list[Architecture] = []
        while len(drawn) < n and (architecture := self._unvisited()) is not None:
            drawn.append(architecture)
        return drawn

    def _unvisited(self) -> Architecture | None:
        if self._exhausted:
            return None
        for _ in range(_DRAWS):
            if self.claim(architecture := self.space.sample(self.rng)):
                return architecture
        following = next(filter(self.claim, self._enumeration), None)
        self._exhausted = following is None
        return following
