"""Mean average precision, with weights for examples: so many bootstraps at once need no other than this."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.tasks.intervals import Floats, Groups

__all__ = ["average_precision", "bootstrapped", "influence"]

_DRAWS = 400
_AT_ONCE = 2**22
"""Weights that are worked on at a time."""


def average_precision(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The mean over labels of the sum of precisions, each times the recall that it adds (no interpolation).

    Examples with equal scores are found together. A label that no example has is left out; 0 if none has any.

    Args:
        scores: ``[examples, labels]``.
        labels: whether they are there, of the same shape.

    >>> round(average_precision([[0.9], [0.8], [0.7]], [[1], [0], [1]]), 4)
    0.8333
    """
    found = [each.precision(np.ones((1, each.examples)))[0] for each in _curves(scores, labels)]
    return float(np.mean(found)) if found else 0.0


def bootstrapped(scores: npt.ArrayLike, labels: npt.ArrayLike, groups: Groups | None = None) -> tuple[float, float]:
    """The 95 % interval of :func:`average_precision`: percentiles of 400 draws of as many examples, always the same.

    Args:
        groups: ``[examples]``, equal for copies of one example, which are drawn together.
    """
    curves = list(_curves(scores, labels))
    if not curves:
        return 0.0, 1.0
    examples = curves[0].examples
    members = np.arange(examples) if groups is None else np.unique(groups, return_inverse=True)[1]
    count, generator = int(members.max()) + 1, np.random.default_rng(0)
    found, chunk = [], max(1, _AT_ONCE // examples)
    for start in range(0, _DRAWS, chunk):
        draws = generator.multinomial(count, np.full(count, 1 / count), size=min(chunk, _DRAWS - start))
        weights = draws[:, members].astype(float)
        each = np.array([curve.precision(weights) for curve in curves])
        known = ~np.isnan(each)
        found.append(np.where(known, each, 0.0).sum(axis=0) / known.sum(axis=0).clip(min=1))
    low, high = np.percentile(np.concatenate(found), [2.5, 97.5])
    return float(low), float(high)


def influence(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """``[examples]`` with the mean :func:`average_precision`, each more by what it would gain if it counted more.

    >>> influence([[0.9], [0.8], [0.7]], [[1], [0], [1]]).mean().round(4).item()
    0.8333
    """
    examples = len(np.asarray(scores))
    found = [each.influence() for each in _curves(scores, labels)]
    return np.asarray(np.mean(found, axis=0)) if found else np.zeros(examples)


@dataclass(frozen=True, eq=False)
class _Curve:
    """One label.

    Attributes:
        order: examples by falling score.
        positive: ``[examples]`` in that order, whether they have the label, as 0 or 1.
        ends: ``[examples]``, the last rank with the score of this one.
    """

    order: npt.NDArray[np.int64]
    positive: Floats
    ends: npt.NDArray[np.int64]

    @property
    def examples(self) -> int:
        return len(self.order)

    def precision(self, weights: Floats) -> Floats:
        """The average precision under each of the weights ``[draws, examples]``; NaN where nothing has the label."""
        ranks, ends = self._ranks
        own = weights[:, self.order]
        found = own[:, ranks]
        together = np.searchsorted(ranks, ends, side="right") - 1  # the last of those found together
        hits = found.cumsum(axis=1)[:, together]
        borders, which = np.unique(ends, return_inverse=True)
        starts = np.concatenate([[0], borders[:-1] + 1])
        seen = np.add.reduceat(own[:, : borders[-1] + 1], starts, axis=1).cumsum(axis=1)[:, which]
        precision = np.divide(hits, seen, out=np.zeros(found.shape), where=found > 0)
        whole = found.sum(axis=1)
        summed: Floats = (found * precision).sum(axis=1)
        return np.asarray(np.divide(summed, whole, out=np.full(len(own), np.nan), where=whole > 0))

    def influence(self) -> Floats:
        """The average precision plus ``examples`` times its derivative by the weight of each example, all being 1."""
        hits, seen = self.positive.cumsum()[self.ends], self.ends + 1.0
        precision, whole = hits / seen, self.positive.sum()
        average = (self.positive * precision).sum() / whole
        starts = np.searchsorted(self.ends, self.ends)  # the first rank with the score of this one
        below = _from_end(self.positive / seen)[starts], _from_end(self.positive * hits / seen**2)[starts]
        slope = self.positive * (precision - average + below[0]) - below[1]
        values = np.empty(self.examples)
        values[self.order] = average + self.examples * slope / whole
        return values

    @property
    def _ranks(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the positive ones are, and the last ranks with their scores."""
        ranks = np.flatnonzero(self.positive)
        return ranks, self.ends[ranks]


def _curves(scores: npt.ArrayLike, labels: npt.ArrayLike) -> Iterator[_Curve]:
    """Of each label that some example has."""
    for column, has in zip(np.asarray(scores).T, np.asarray(labels, dtype=float).T, strict=True):
        if has.any():
            order = np.argsort(-column, kind="stable")
            falling = -column[order]
            yield _Curve(order, has[order], np.searchsorted(falling, falling, side="right") - 1)


def _from_end(values: Floats) -> Floats:
    return np.asarray(values[::-1].cumsum()[::-1])
