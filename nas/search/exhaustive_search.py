"""Exhaustive search, for small spaces."""

import itertools
from collections.abc import Sequence

from nas.search.strategy import Result
from nas.space import Architecture, Space

__all__ = ["ExhaustiveSearch"]


class ExhaustiveSearch:
    """Proposes every architecture of the space in lexicographic order; the seed has no effect."""

    def __init__(self, space: Space, seed: int = 0) -> None:
        self._enumeration = iter(space)

    def ask(self, n: int) -> list[Architecture]:
        return list(itertools.islice(self._enumeration, n))

    def tell(self, results: Sequence[Result]) -> None:
        """Results do not change the order."""
