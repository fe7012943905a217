"""Search that only enlarges: from the smallest architecture, one step of one choice at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space, are_numbers
from nas.space.growth import grown

__all__ = ["GreedyGrowth", "smallest_rank_sum"]


class GreedyGrowth:
    """Grows the smallest architecture: of all that are one step larger, the best is grown next (Chen et al., 2022).

    A step is the next larger number of one choice, such as a kernel, a width or a depth (Cai et al., 2018); see
    :func:`nas.space.growth.grown`. Steps are tried in random order; of several objectives the smallest sum of ranks
    decides. What is grown next need not be better than what it grew from, but must not violate the constraints more, so
    bound a cost. Where nothing is left to grow, the best of random architectures is grown, whose other choices differ.

    Args:
        starts: number of random architectures at each restart.

    Raises:
        UsageError: no starts, or a space without choices of numbers.
    """

    def __init__(self, space: Space, seed: int = 0, *, starts: int = 10) -> None:
        if starts < 1:
            raise UsageError(f"grow has starts {starts}; give 1 or more.")
        if not any(map(are_numbers, space.choices.values())):
            raise UsageError(
                "grow enlarges numbers, such as widths, but no choice of this space has them; take evolution."
            )
        self.starts = starts
        self._space = space
        self._sampler = UniqueSampler(space, seed)
        self._candidates = [space.smallest()]
        """One of these is grown next."""
        self._violation = np.inf
        """Of what these grew from."""
        self._unproposed = [each for each in self._candidates if self._sampler.visit(each)]
        self._pending: set[Architecture] = set()

    def ask(self, n: int) -> list[Architecture]:
        while not self._unproposed and not self._pending:
            if not self._grow():
                self._restart(n)
                break
        proposals, self._unproposed = self._unproposed[:n], self._unproposed[n:]
        self._pending.update(proposals)
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        self._pending.difference_update(result.architecture for result in results)
        self._unproposed = [each for each in self._unproposed if each not in {new.architecture for new in results}]
        self._sampler.record(results)

    def _grow(self) -> bool:
        """Goes on to what the best candidate may become; False if no candidate can be grown."""
        known = [self._sampler.results[each] for each in self._candidates if each in self._sampler.results]
        best = _best([each for each in known if each.violation <= self._violation])
        larger = [] if best is None else list(grown(self._space, best.architecture))
        self._candidates = [larger[place] for place in self._sampler.rng.permutation(len(larger))]
        self._violation = np.inf if best is None else best.violation
        self._unproposed = [each for each in self._candidates if self._sampler.visit(each)]
        return bool(self._candidates)

    def _restart(self, n: int) -> None:
        self._candidates = self._unproposed = self._sampler.sample(min(n, self.starts))


def _best(results: Sequence[Result]) -> Result | None:
    """The feasible one of the smallest sum of ranks; else the one that violates least; None if all have failed."""
    feasible = [each for each in results if each.feasible]
    if feasible:
        return feasible[smallest_rank_sum(np.array([each.objectives for each in feasible]))]
    return min((each for each in results if each.violation > 0), key=lambda each: each.violation, default=None)


def smallest_rank_sum(points: NDArray[np.float64]) -> int:
    """The row of ``points`` ``[n, objectives]``, to be minimised, whose ranks by each objective add up to the least.

    Of rows with the same sum, that which is best by the objective that differs most between all rows, relatively.

    >>> smallest_rank_sum(np.array([[1.0, 30.0], [2.0, 10.0], [3.0, 20.0]]))
    1
    """
    from scipy.stats import rankdata

    sums = rankdata(points, axis=0).sum(axis=1)
    least = np.flatnonzero(sums == sums.min())
    relative = np.ptp(points, axis=0) / np.maximum(np.abs(points).max(axis=0), np.finfo(float).tiny)
    return int(least[np.argmin(points[least, np.argmax(relative)])])
