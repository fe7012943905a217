"""A strategy that begins with architectures that are known to be worth trying."""

from collections.abc import Sequence

from nas.search.strategy import Result, Strategy
from nas.space import Architecture

__all__ = ["Seeded"]


class Seeded:
    """Proposes given architectures first, then what another strategy makes of all results.

    Args:
        strategy: that goes on; it is told the results of the given ones too.
        first: the given ones, in order.
    """

    def __init__(self, strategy: Strategy, first: Sequence[Architecture]) -> None:
        self._strategy, self._first = strategy, list(dict.fromkeys(first))

    def ask(self, n: int) -> list[Architecture]:
        """Of the given ones as long as there are any; then those of the other strategy."""
        proposals, self._first = self._first[:n], self._first[n:]
        return proposals or self._strategy.ask(n)

    def tell(self, results: Sequence[Result]) -> None:
        self._strategy.tell(results)
