"""Successive halving that never waits: what is among the best so far is trained longer at once."""

import itertools
from collections.abc import Sequence

from nas.search.hyperband import check_eta
from nas.search.standings import best_first
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import EPOCHS, Architecture, Fidelity, Space

__all__ = ["Asha"]


class Asha:
    """Asynchronous successive halving (Li et al., 2020): promotions as results come, so that no worker is idle.

    Whoever asks gets, from the highest level down, an architecture that is among the best third of what a level knows
    and was not promoted yet; where there is none, a new random one for the fewest epochs.

    Args:
        fidelity: see :class:`~nas.search.hyperband.Hyperband`, also for ``eta``.

    Raises:
        UsageError: as :class:`~nas.search.hyperband.Hyperband`.
    """

    def __init__(self, space: Space, seed: int = 0, *, fidelity: str = EPOCHS, eta: int = 3) -> None:
        self._fidelity, self._eta = Fidelity.of(space, fidelity), eta
        check_eta("asha", self._fidelity, eta)
        self._sampler = UniqueSampler(space.without([fidelity]), seed)
        self._results: dict[int, dict[Architecture, Result]] = {epochs: {} for epochs in self._fidelity.levels}
        self._proposed: set[Architecture] = set()

    def ask(self, n: int) -> list[Architecture]:
        found: list[Architecture] = []
        while len(found) < n and (architecture := self._promotion() or self._new()) is not None:
            found.append(architecture)
        self._proposed.update(found)
        return found

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            self._sampler.visit(self._fidelity.without(result.architecture))
            if not result.was_screened_out:
                self._results[self._fidelity.epochs(result.architecture)].setdefault(result.architecture, result)

    def _promotion(self) -> Architecture | None:
        levels = self._fidelity.levels
        for epochs, more in reversed(list(itertools.pairwise(levels))):
            known = list(self._results[epochs].values())
            for position in best_first(known)[: len(known) // self._eta]:
                longer = self._fidelity.at(known[position].architecture, more)
                if longer not in self._proposed and longer not in self._results[more]:
                    self._proposed.add(longer)
                    return longer
        return None

    def _new(self) -> Architecture | None:
        return next((self._fidelity.at(each, self._fidelity.levels[0]) for each in self._sampler.sample(1)), None)
