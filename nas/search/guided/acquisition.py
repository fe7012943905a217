"""From what a surrogate predicts to what is proposed next; the lower the better."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Acquire", "independent_draws", "lower_bound"]

Floats = NDArray[np.float64]

Acquire = Callable[[Floats, Floats, int, np.random.Generator], Floats]
"""(means ``[m]``, deviations ``[m]``, proposals n, generator) → for each proposal a row of values ``[n, m]``: the
candidate with the lowest is proposed."""


def lower_bound(kappa: float) -> Acquire:
    """The first proposal has the lowest ``mean - kappa * deviation``; the others of a batch are independent draws.

    So one proposal at a time is sure, and of many at a time no two need to be alike.
    """

    def acquire(means: Floats, deviations: Floats, n: int, rng: np.random.Generator) -> Floats:
        first = means - kappa * deviations
        return np.vstack([first, independent_draws(means, deviations, n - 1, rng)])

    return acquire


def independent_draws(means: Floats, deviations: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Each proposal has the lowest of values drawn for each candidate by itself.

    Independent Thompson sampling (BANANAS; White et al., 2021).
    """
    return means + deviations * rng.standard_normal((n, len(means)))
