"""Random search."""

from collections.abc import Sequence

from nas.search.strategy import Result
from nas.search.unique_sampler import Memory
from nas.space import Architecture, Space

__all__ = ["Random"]


class Random:
    """Draws uniformly over choices, never the same architecture twice.

    The baseline that a method has to beat (Li and Talwalkar, 2019).
    """

    def __init__(self, space: Space, seed: int = 0) -> None:
        self._memory = Memory(space, seed)

    def ask(self, n: int) -> list[Architecture]:
        return self._memory.draw(n)

    def tell(self, results: Sequence[Result]) -> None:
        self._memory.add(results)
