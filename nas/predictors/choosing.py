"""Which architectures to measure: those that a linear model knows least about."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError
from nas.predictors.samples import Array, checked_encodings

__all__ = ["choose_diverse", "choose_uncertain"]

_POOL = 1000


def choose_diverse(X: ArrayLike, k: int, seed: int) -> NDArray[np.int64]:  # noqa: N803
    """`k` different rows of `X` ``[n, d]`` that a linear model learns most from, in the order of their gain.

    Greedy D-optimal design: the next row is the one whose value is least certain given those before it, out of
    a random thousand. The scale of `X` matters: a direction much shorter than 1 is taken to be known already.
    Raises UsageError if there are fewer than `k` rows.
    """
    X = checked_encodings(X)
    if not 1 <= k <= len(X):
        raise UsageError(f"choose_diverse() is asked for {k} of {len(X)} rows; ask for 1 to {len(X)}.")
    pool = np.random.default_rng(seed).permutation(len(X))[: max(_POOL, k)]
    return pool[_least_certain(X[pool], np.eye(X.shape[1]), k)]


def choose_uncertain(X: ArrayLike, known: ArrayLike, k: int) -> NDArray[np.int64]:  # noqa: N803
    """`k` rows of `X` ``[n, d]`` whose predictions spread most, given that the rows `known` ``[m, d]`` are measured.

    The spread is that of ridge regression on columns of one scale. It is brought up to date after each choice, so that
    the rows of one batch differ. Raises UsageError if there are fewer than `k` rows.
    """
    X, known = checked_encodings(X), checked_encodings(known)
    if not 0 <= k <= len(X):
        raise UsageError(f"choose_uncertain() is asked for {k} of {len(X)} rows; ask for at most {len(X)}.")
    everything = np.vstack([X, known])
    scales = np.where(everything.std(0) > 0, everything.std(0), 1.0)
    features, measured = (X - everything.mean(0)) / scales, (known - everything.mean(0)) / scales
    return _least_certain(features, np.linalg.inv(measured.T @ measured + np.eye(X.shape[1])), k)


def _least_certain(features: Array, covariance: Array, k: int) -> NDArray[np.int64]:
    """Rows of the greatest variance, one after the other, each known from then on."""
    chosen: list[int] = []
    for _ in range(k):
        uncertain = ((features @ covariance) * features).sum(1)
        uncertain[chosen] = -1
        chosen.append(int(uncertain.argmax()))
        gain = covariance @ features[chosen[-1]]
        covariance = covariance - np.outer(gain, gain) / (1 + features[chosen[-1]] @ gain)
    return np.array(chosen, dtype=np.int64)
