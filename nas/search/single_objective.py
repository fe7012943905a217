"""A strategy that is to find one network, not a front."""

from collections.abc import Sequence
from dataclasses import replace

from nas.search.strategy import Result, Strategy
from nas.space import Architecture

__all__ = ["BestOnly"]


class BestOnly:
    """Tells another strategy the first objective alone, so that it looks for the best within the constraints.

    With all objectives a strategy spreads over the whole front; where a constraint already says what a network may
    cost, most of that front is of no use.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def ask(self, n: int) -> list[Architecture]:
        return self._strategy.ask(n)

    def tell(self, results: Sequence[Result]) -> None:
        self._strategy.tell([replace(each, objectives=each.objectives and each.objectives[:1]) for each in results])
