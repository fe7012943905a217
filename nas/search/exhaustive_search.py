"""Every architecture of a small space."""

import itertools
from collections.abc import Sequence

from nas.search.strategy import Result
from nas.space import Architecture, Space

__all__ = ["Exhaustive"]


class Exhaustive:
    """Proposes the whole space, lazily, in lexicographic order; the seed changes nothing."""

    def __init__(self, space: Space, seed: int = 0) -> None:
        self._enumeration = iter(space)

    def ask(self, n: int) -> list[Architecture]:
        return list(itertools.islice(self._enumeration, n))

    def tell(self, results: Sequence[Result]) -> None:
        """Nothing to learn: the order is fixed."""
