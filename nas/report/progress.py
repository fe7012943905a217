"""How fast a search gets good, and how fast luck alone would."""

import numpy as np
import numpy.typing as npt

from nas.report.content import Floats

__all__ = ["best_so_far", "expected_best"]


def best_so_far(values: Floats, feasible: npt.NDArray[np.bool_], maximise: bool = True) -> Floats:
    """The best feasible value ``[n]`` among the first 1, 2, ..., n evaluated ones; NaN before the first.

    Rows whose value is NaN were not evaluated and do not count.

    >>> best_so_far(np.array([3.0, 1.0, 2.0]), np.array([True, True, True]), maximise=False).tolist()
    [3.0, 1.0, 1.0]
    """
    evaluated, better = ~np.isnan(values), np.fmax if maximise else np.fmin
    return np.asarray(better.accumulate(np.where(feasible, values, np.nan)[evaluated]), dtype=float)


def expected_best(values: Floats, maximise: bool = True) -> Floats:
    """The exact mean ``[n]`` of the best of k = 1, ..., n values drawn without replacement; NaN is left out.

    The i-th worst of n values is the best of k with probability C(i-1, k-1) / C(n, k), which is built up from one k
    to the next.

    >>> expected_best(np.array([1.0, 2.0, 3.0])).round(3).tolist()
    [2.0, 2.667, 3.0]
    """
    ascending = np.sort(values[~np.isnan(values)])
    ordered = ascending if maximise else ascending[::-1]
    n = len(ordered)
    position = np.arange(n)
    probability = np.full(n, 1 / max(n, 1))
    expected = np.empty(n)
    for k in range(1, n + 1):
        expected[k - 1] = probability @ ordered
        if k < n:
            probability = probability * np.maximum(position + 1 - k, 0) / k * (k + 1) / (n - k)
    return expected
