"""Random search."""

from collections.abc import Sequence

from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space

__all__ = ["RandomSearch"]


class RandomSearch:
    """Proposes random architectures without repetition, each choice drawn uniformly.

    The baseline that every other strategy has to beat (Li and Talwalkar, 2019).
    """

    def __init__(self, space: Space, seed: int = 0) -> None:
        self._sampler = UniqueSampler(space, seed)

    def ask(self, n: int) -> list[Architecture]:
        return self._sampler.sample(n)

    def tell(self, results: Sequence[Result]) -> None:
        self._sampler.record(results)
