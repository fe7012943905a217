"""How well scores order architectures whose true quality is known: one number for each way to ask.

Scores ``[n]`` and truth ``[n]`` are greater for better architectures, in any units. Where scores are equal, nothing
says which comes first, so what is asked of the best few is the mean over all orders of the equals.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError

__all__ = [
    "Floats", "best_rank", "columns", "precision_at", "probability_better_than_random", "regret", "sparse_tau", "tau",
    "weighted_tau",
]  # fmt: skip

Floats = NDArray[np.float64]


def tau(scores: ArrayLike, truth: ArrayLike) -> float:
    """Kendall's tau-b (1945): concordant minus discordant pairs, as a share of the pairs that are not tied.

    1 is the same order, -1 the opposite one, 0 what chance gives; 0 also where either side is constant, since that
    orders nothing.

    >>> round(tau([1, 2, 3, 4], [10, 20, 40, 30]), 3)
    0.667
    """
    from scipy.stats import kendalltau

    x, y = columns(scores, truth)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    significance = "asymptotic" if len(x) > 2 else "exact"  # not used, but the latter is slow and the former fails of 2
    return float(kendalltau(x, y, method=significance).statistic)


def sparse_tau(scores: ArrayLike, truth: ArrayLike, threshold: float = 0.001) -> float:
    """Tau that asks for no order between architectures as good as equal (Yu et al., "How to train your super-net").

    The truth is rounded down to multiples of the threshold; what shares a multiple is tied.

    Args:
        threshold: in the units of the truth, 0.1 % of accuracy as published; with 0 this is :func:`tau`.

    >>> sparse_tau([1, 2, 3], [0.5, 0.9111, 0.9110])
    0.816496580927726
    """
    if not 0 <= threshold < np.inf:
        raise UsageError(f"threshold is {threshold}; give a number of at least 0 in the units of the truth.")
    (y,) = columns(truth)
    return tau(scores, np.floor(np.round(y / threshold, 6)) if threshold else y)


def weighted_tau(scores: ArrayLike, truth: ArrayLike) -> float:
    """Tau in which an exchange weighs more the nearer it is to the top of either order (Vigna, 2015).

    Hyperbolic weights: rank r counts 1 / r. 0 where either side is constant.
    """
    from scipy.stats import weightedtau

    x, y = columns(scores, truth)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(weightedtau(x, y).statistic)


def precision_at(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """The share of the k best by score that are among the k best in truth, or equal to the last of them.

    >>> precision_at([1, 2, 3, 4], [10, 30, 20, 40], 2)
    0.5
    """
    x, y = columns(scores, truth)
    sure, tied = _best(x, k)
    good = y >= np.sort(y)[-k]
    left = k - int(sure.sum())
    return float((good[sure].sum() + left * good[tied].mean()) / k)


def regret(scores: ArrayLike, truth: ArrayLike, k: int = 1) -> float:
    """What is lost, in units of the truth, by training only the k best by score and keeping the best of these.

    >>> regret([1, 2, 3, 4], [10, 50, 20, 40]), regret([1, 2, 3, 4], [10, 50, 20, 40], k=3)
    (10.0, 0.0)
    """
    x, y = columns(scores, truth)
    sure, tied = _best(x, k)
    left, count = k - int(sure.sum()), int(tied.sum())
    values = np.sort(np.maximum(y[tied], y[sure].max(initial=-np.inf)))[::-1]
    position = np.arange(count)
    none_so_far = np.cumprod(np.maximum(count - left - position, 0) / (count - position))
    is_best = -np.diff(none_so_far, prepend=1.0)
    return float(y.max() - is_best @ values)


def best_rank(scores: ArrayLike, truth: ArrayLike, k: int = 1) -> float:
    """The best true rank among the k best by score; 1 is the best of all, equals share the best rank.

    Zhang et al., "Deeper insights into weight sharing in neural architecture search", call it TopN-rank.

    >>> best_rank([1, 2, 3, 4], [10, 50, 20, 40])
    2.0
    """
    from scipy.stats import rankdata

    (y,) = columns(truth)
    return 1.0 + regret(scores, -rankdata(-y, method="min"), k)


def probability_better_than_random(rank: float, size: int, n: int = 10) -> float:
    """How likely the architecture of a true rank is at least as good as the best of ``n`` random draws.

    Yu et al., "How to train your super-net".

    Args:
        rank: 1 is the best; of a population of ``size``.

    >>> probability_better_than_random(1, 100), probability_better_than_random(51, 100, n=1)
    (1.0, 0.5)
    """
    if not 1 <= rank <= size:
        raise UsageError(f"rank is {rank}, expected a number from 1 (the best) to {size}, the size of the population.")
    return float(((size - rank + 1) / size) ** n)


def columns(*values: ArrayLike) -> tuple[Floats, ...]:
    """The values as vectors ``[n]`` of one length; UsageError if they are of other shapes, empty or not finite."""
    found = tuple(np.asarray(each, dtype=np.float64) for each in values)
    shapes = [each.shape for each in found]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1 or not shapes[0][0]:
        given = " and ".join(map(str, shapes))
        raise UsageError(f"a ranking needs one number for each architecture, but shapes are {given}; give [n] of each.")
    if not all(np.isfinite(each).all() for each in found):
        raise UsageError("a ranking needs finite numbers, but some are NaN or infinite; drop these architectures.")
    return found


def _best(scores: Floats, k: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which ``[n]`` are surely among the k best, and which are equal there and fill the places left by lot."""
    if not 1 <= k <= len(scores):
        raise UsageError(f"k is {k}, expected a number from 1 to {len(scores)}, that of the architectures.")
    bound = np.sort(scores)[-k]
    return scores > bound, scores == bound
