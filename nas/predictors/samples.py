"""What every predictor asks of its samples, and how its errors on them are reported."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError
from nas.wording import counted

__all__ = [
    "USELESS", "Array", "PredictionErrors", "checked_encodings", "checked_samples", "prediction_errors",
    "rank_correlation",
]  # fmt: skip

Array = NDArray[np.float64]

USELESS = 0.2
"""A prediction that is off by this share is as useless as any that is worse."""


@dataclass(frozen=True)
class PredictionErrors:
    """How well samples are predicted by a model that has not seen them (held out, left out or cross-validated).

    `mape` is the mean absolute relative error (0.05 is 5 %), `capped_mape` the same with no error counted as more than
    20 %, so that a few samples next to zero do not decide, `within_5pct` and `within_10pct` the fractions of samples
    predicted that closely, `spearman` the rank correlation (0 where one side is constant).
    """

    mape: float
    capped_mape: float
    within_5pct: float
    within_10pct: float
    spearman: float


def prediction_errors(y: Array, predicted: Array) -> PredictionErrors:
    """The errors of predictions ``[n]`` of values ``[n]``."""
    relative = np.abs(predicted - y) / np.maximum(np.abs(y), 1e-12)
    return PredictionErrors(
        mape=float(relative.mean()),
        capped_mape=float(np.minimum(relative, USELESS).mean()),
        within_5pct=float((relative <= 0.05).mean()),
        within_10pct=float((relative <= 0.1).mean()),
        spearman=rank_correlation(y, predicted),
    )


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's rank correlation of two vectors ``[n]``; 0 where one of them is constant."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(a), rankdata(b)])
    if (ranks.std(1) == 0).any():
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def checked_encodings(X: ArrayLike, columns: int | None = None) -> Array:  # noqa: N803
    """The encodings as a finite matrix ``[n, columns]``; UsageError if they are none."""
    matrix = np.asarray(X, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise UsageError(
            f"The encodings have shape {matrix.shape}, but they must be a finite matrix [n, d]; "
            "give one row for each architecture."
        )
    if columns is not None and matrix.shape[1] != columns:
        raise UsageError(
            f"predict() got encodings with {counted(matrix.shape[1], 'column')}, but the predictor was fitted on "
            f"{columns}; encode with the same space."
        )
    return matrix


def checked_samples(X: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:  # noqa: N803
    """Encodings ``[n, d]`` and finite values ``[n]`` with n >= 3; UsageError if they are not."""
    X, y = checked_encodings(X), np.asarray(y, dtype=np.float64)
    if y.shape != X.shape[:1] or len(y) < 3 or not np.isfinite(y).all():
        raise UsageError(
            f"fit() got values of shape {y.shape} for encodings of shape {X.shape}, but it needs at least "
            "3 finite values, one for each encoding; measure more architectures or drop the broken ones."
        )
    return X, y
