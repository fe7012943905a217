"""How much of a ranking is luck: between seeds, between epochs, between trainings of the truth, between samples."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError
from nas.evaluation.ranking.measures import Floats, tau
from nas.streams import Stream, rng

__all__ = ["Agreement", "agreement", "bootstrap", "ceiling", "consecutive"]


@dataclass(frozen=True)
class Agreement:
    """How alike several runs rank the same architectures.

    Attributes:
        mean: of tau over all pairs of runs, the S-tau of "Deeper insights into weight sharing in neural architecture
            search" (Zhang et al., 2020).
        spread: standard deviation of these taus; NaN of a single pair.
        taus: ``[runs, runs]``, 1 on the diagonal.
        deviation: ``[n]``, of each architecture the standard deviation of its scores between the runs.
    """

    mean: float
    spread: float
    taus: Floats
    deviation: Floats


def agreement(scores: ArrayLike) -> Agreement:
    """How alike runs rank architectures.

    Args:
        scores: ``[runs, n]`` of two or more seeds, epochs or methods.

    >>> agreement([[1, 2, 3], [1, 2, 3], [1, 3, 2]]).taus.round(2).tolist()
    [[1.0, 1.0, 0.33], [1.0, 1.0, 0.33], [0.33, 0.33, 1.0]]
    """
    runs = _runs(scores)
    taus = np.eye(len(runs))
    for a, b in combinations(range(len(runs)), 2):
        taus[a, b] = taus[b, a] = tau(runs[a], runs[b])
    pairs = taus[np.triu_indices(len(runs), 1)]
    spread = float(pairs.std(ddof=1)) if len(pairs) > 1 else float("nan")
    return Agreement(float(pairs.mean()), spread, taus, runs.std(axis=0, ddof=1))


def consecutive(scores: ArrayLike) -> Floats:
    """Tau between each epoch and the next.

    Args:
        scores: ``[epochs, n]``, in order.

    Returns:
        ``[epochs - 1]``.
    """
    runs = _runs(scores)
    return np.array([tau(before, after) for before, after in pairwise(runs)])


def ceiling(*truths: ArrayLike) -> float:
    """The mean tau between independent trainings of the same architectures.

    No ranking can be trusted to agree better with a truth than that truth agrees with itself.

    Args:
        truths: two or more, each ``[n]``.
    """
    return agreement(np.stack([np.asarray(truth, dtype=np.float64) for truth in truths])).mean


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], ArrayLike], size: int, seed: int = 0, samples: int = 1000
) -> Floats:
    """The 95 % interval of statistics under another draw of architectures (percentile bootstrap; Efron, 1979).

    Statistics computed together on the same draws may be compared pair by pair: the interval of a difference is that of
    two rankings of the same architectures.

    Args:
        statistic: rows ``[size]``, drawn with replacement → one number, or several ``[m]``; NaN where undefined.
        size: the number of architectures.
        seed: of the draws.
        samples: the number of draws.

    Returns:
        Low and high ``[2]``, or ``[m, 2]``; NaN where no draw gives a number.

    >>> values = np.arange(100.0)
    >>> low, high = bootstrap(lambda rows: values[rows].mean(), 100)
    >>> bool(43 < low < 46 < 53 < high < 56)
    True
    """
    if samples < 1:
        raise UsageError(f"samples is {samples}; give a positive number of draws.")
    draws = rng(seed, Stream.BOOTSTRAP)
    found = np.array([statistic(draws.integers(size, size=size)) for _ in range(samples)], dtype=np.float64)
    flat = found.reshape(samples, -1)
    bounds = [_percentiles(column[~np.isnan(column)]) for column in flat.T]
    return np.array(bounds).reshape(*found.shape[1:], 2)


def _percentiles(values: Floats) -> tuple[float, float]:
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _runs(scores: ArrayLike) -> Floats:
    runs = np.asarray(scores, dtype=np.float64)
    if runs.ndim != 2 or len(runs) < 2:
        raise UsageError(
            f"scores have shape {runs.shape}, expected [runs, architectures] of two runs or more to compare."
        )
    return runs
