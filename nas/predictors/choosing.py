"""Which architectures to measure: those that a linear model knows least about."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError
from nas.predictors.samples import Array, checked_encodings
from nas.streams import Stream, rng
from nas.wording import counted

__all__ = ["choose_diverse", "choose_uncertain"]

_POOL = 1000


def choose_diverse(X: ArrayLike, k: int, seed: int) -> NDArray[np.int64]:  # noqa: N803
    """`k` different rows of `X` ``[n, d]`` that a linear model learns most from, in the order of their gain.

    Greedy D-optimal design: the next row is the one whose value is least certain given those before it, out of
    a random thousand; equal rows come last. The scale of `X` matters: a direction much shorter than 1 is taken to
    be known already. Raises UsageError if there are fewer than `k` rows.
    """
    X = checked_encodings(X)
    if not 1 <= k <= len(X):
        raise UsageError(f"choose_diverse() is asked for {k} of {counted(len(X), 'row')}; ask for 1 to {len(X)}.")
    pool = rng(seed, Stream.DIVERSE_ROWS).permutation(len(X))[: max(_POOL, k)]
    return pool[_least_certain(X[pool], np.eye(X.shape[1]), k, np.zeros(len(pool), dtype=bool))]


def choose_uncertain(X: ArrayLike, known: ArrayLike, k: int) -> NDArray[np.int64]:  # noqa: N803
    """`k` rows of `X` ``[n, d]`` whose predictions spread most, given that the rows `known` ``[m, d]`` are measured.

    The spread is that of ridge regression on columns of one scale. It is brought up to date after each choice, so that
    the rows of one batch differ; rows that equal a known or a chosen one come last.
    Raises UsageError if there are fewer than `k` rows, or if `known` has other columns.
    """
    X, known = checked_encodings(X), checked_encodings(known)
    if known.shape[1] != X.shape[1]:
        raise UsageError(
            f"choose_uncertain() got rows of {counted(X.shape[1], 'column')}, but known ones of {known.shape[1]}; "
            "encode both alike."
        )
    if not 0 <= k <= len(X):
        raise UsageError(f"choose_uncertain() is asked for {k} of {counted(len(X), 'row')}; ask for at most {len(X)}.")
    everything = np.vstack([X, known])
    scales = np.where(everything.std(0) > 0, everything.std(0), 1.0)
    features, measured = (X - everything.mean(0)) / scales, (known - everything.mean(0)) / scales
    rows = {row.tobytes() for row in measured}
    seen = np.array([row.tobytes() in rows for row in features], dtype=bool)
    return _least_certain(features, np.linalg.inv(measured.T @ measured + np.eye(X.shape[1])), k, seen)


def _least_certain(features: Array, covariance: Array, k: int, seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of the greatest variance, one after the other, each known from then on; those `seen` come last."""
    chosen: list[int] = []
    for _ in range(k):
        uncertain = ((features @ covariance) * features).sum(1)
        uncertain[seen] = -1
        uncertain[chosen] = -np.inf
        chosen.append(int(uncertain.argmax()))
        row = features[chosen[-1]]
        gain = covariance @ row
        covariance = covariance - np.outer(gain, gain) / (1 + row @ gain)
        seen = seen | (features == row).all(1)
    return np.array(chosen, dtype=np.int64)
