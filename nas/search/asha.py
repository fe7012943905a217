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
    and was not promoted yet; where there is none, a new random one for the fewest epochs. Once the space has no more,
    one goes on from a level with fewer than three, too.

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
        self._least = 0
        """Promotions from each level at least."""

    def ask(self, n: int) -> list[Architecture]:
        found: list[Architecture] = []
        while len(found) < n and (architecture := self._proposal()) is not None:
            found.append(architecture)
            self._proposed.add(architecture)
        return found

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            self._sampler.visit(self._fidelity.without(result.architecture))
            if not result.was_screened_out:
                self._results[self._fidelity.epochs(result.architecture)].setdefault(result.architecture, result)

    def _proposal(self) -> Architecture | None:
        if (promoted := self._promotion()) is not None:
            return promoted
        for new in self._sampler.sample(1):
            return self._fidelity.at(new, self._fidelity.levels[0])
        self._least = 1
        return self._promotion()

    def _promotion(self) -> Architecture | None:
        levels = self._fidelity.levels
        for epochs, more in reversed(list(itertools.pairwise(levels))):
            known = list(self._results[epochs].values())
            for position in best_first(known)[: max(self._least, len(known) // self._eta)]:
                longer = self._fidelity.at(known[position].architecture, more)
                if longer not in self._proposed and longer not in self._results[more]:
                    return longer
        return None
