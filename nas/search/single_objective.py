"""A strategy that looks for the best architecture instead of a Pareto front."""

from collections.abc import Sequence
from dataclasses import replace

from nas.search.strategy import Result, Strategy
from nas.space import Architecture

__all__ = ["SingleObjective"]


class SingleObjective:
    """Hides all objectives but the first from another strategy, which then looks for the best feasible architecture.

    With several objectives a strategy spreads over the whole Pareto front. If a constraint already limits the cost,
    most of that front is of no use.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def ask(self, n: int) -> list[Architecture]:
        return self._strategy.ask(n)

    def tell(self, results: Sequence[Result]) -> None:
        self._strategy.tell([replace(each, objectives=each.objectives and each.objectives[:1]) for each in results])
