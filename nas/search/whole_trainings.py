"""Strategies that know nothing of short trainings, where how long architectures are trained is a choice."""

from collections.abc import Sequence
from dataclasses import replace

from nas.search.strategy import Result, Strategy
from nas.space import Architecture, Fidelity

__all__ = ["WholeTrainings"]


class WholeTrainings:
    """Has all that another strategy proposes trained for as many epochs as there are, and tells it of nothing else.

    Args:
        strategy: of the space without the choice of epochs.
    """

    def __init__(self, strategy: Strategy, fidelity: Fidelity) -> None:
        self._strategy, self._fidelity = strategy, fidelity

    def ask(self, n: int) -> list[Architecture]:
        return [self._fidelity.at(each, self._fidelity.most) for each in self._strategy.ask(n)]

    def tell(self, results: Sequence[Result]) -> None:
        whole = [each for each in results if self._fidelity.is_whole(each.architecture)]
        self._strategy.tell([replace(each, architecture=self._fidelity.without(each.architecture)) for each in whole])
