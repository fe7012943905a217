"""Ranking among architectures of equal cost, which no count of operations can explain."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError
from nas.evaluation.ranking.measures import columns, tau

__all__ = ["Binning", "Strata", "equal_cost", "tau_within_strata"]

_BINS, _FEWEST = 10, 5

Binning = Literal["equal", "bins"]


@dataclass(frozen=True, eq=False)
class Strata:
    """A partition of architectures by cost.

    Attributes:
        labels: ``[n]``, the stratum of each, from 0.
        rule: what the members of a stratum share: "equal" cost, or one of the quantile "bins" of it.
    """

    labels: NDArray[np.int64]
    rule: Binning

    @property
    def count(self) -> int:
        """How many strata there are."""
        return len(np.unique(self.labels))


def equal_cost(cost: ArrayLike, bins: int | None = None) -> Strata:
    """Strata of equal cost, or of similar cost where hardly any two are equal.

    Args:
        cost: ``[n]``.
        bins: into so many quantiles. By default the costs must be exactly equal where a value is shared by five
            architectures on average; else there are ten bins, fewer where these would hold less than five.

    >>> equal_cost([1, 1, 1, 2, 2, 1, 2, 2, 2, 1]).labels
    array([0, 0, 0, 1, 1, 0, 1, 1, 1, 0])
    >>> equal_cost([1, 2, 3, 4, 5, 6]).labels
    array([0, 0, 0, 1, 1, 1])
    """
    (values,) = columns(cost)
    distinct, labels = np.unique(values, return_inverse=True)
    if bins is None and len(values) >= _FEWEST * len(distinct):
        return Strata(labels.astype(np.int64), "equal")
    bins = max(2, min(_BINS, len(values) // _FEWEST)) if bins is None else bins
    if bins < 1:
        raise UsageError(f"bins is {bins}; give a positive number of strata.")
    bounds = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    return Strata(np.searchsorted(bounds, values).astype(np.int64), "bins")


def tau_within_strata(scores: ArrayLike, truth: ArrayLike, strata: ArrayLike) -> float:
    """Tau-b over the pairs of architectures that share a stratum, pooled over all strata; with one it is ``tau``.

    Concordant minus discordant pairs, divided by the geometric mean of the pairs whose scores differ and the pairs
    whose truths differ. 0 where scores differ in no pair.

    Args:
        scores, truth: ``[n]``, greater is better.
        strata: ``[n]`` labels, see :func:`equal_cost`.

    Returns:
        NaN where no two architectures of different truth share a stratum.
    """
    x, y, z = columns(scores, truth, strata)
    labels = np.unique(z, return_inverse=True)[1]
    nested = [labels * len(labels) + np.unique(each, return_inverse=True)[1] for each in (x, y)]
    everything, pairs = len(labels) * (len(labels) - 1) // 2, _pairs(labels)
    untied_x, untied_y = (pairs - _pairs(each) for each in nested)
    if not untied_y:
        return float("nan")
    if not untied_x:
        return 0.0
    across = everything - pairs
    balance = tau(*nested) * np.sqrt(float(across + untied_x) * float(across + untied_y)) - across
    return float(np.round(balance) / np.sqrt(float(untied_x) * float(untied_y)))


def _pairs(labels: NDArray[np.int64]) -> int:
    """How many pairs have equal labels."""
    counts = np.unique(labels, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())
