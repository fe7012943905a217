"""How fast a search gets good, and how fast luck alone would."""

import numpy as np
import numpy.typing as npt

from nas.report.content import Floats

__all__ = ["best_so_far", "expected_best"]


def best_so_far(values: Floats, feasible: npt.NDArray[np.bool_]) -> Floats:
    """The highest feasible value ``[n]`` among the first 1, 2, ..., n evaluated ones; NaN before the first.

    Rows whose value is NaN were not evaluated and do not count.
    """
    evaluated = ~np.isnan(values)
    return np.asarray(np.fmax.accumulate(np.where(feasible, values, np.nan)[evaluated]), dtype=float)


def expected_best(values: Floats) -> Floats:
    """The exact mean ``[n]`` of the highest of k = 1, ..., n values drawn without replacement; NaN is left out.

    The i-th smallest of n values is the highest of k with probability C(i-1, k-1) / C(n, k), which is built up
    from one k to the next.

    >>> expected_best(np.array([1.0, 2.0, 3.0])).round(3).tolist()
    [2.0, 2.667, 3.0]
    """
    ordered = np.sort(values[~np.isnan(values)])
    n = len(ordered)
    place = np.arange(n)
    probability = np.full(n, 1 / max(n, 1))
    expected = np.empty(n)
    for k in range(1, n + 1):
        expected[k - 1] = probability @ ordered
        if k < n:
            probability = probability * np.maximum(place + 1 - k, 0) / k * (k + 1) / (n - k)
    return expected
