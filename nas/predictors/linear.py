"""Ridge regression on one-hot choices: the baseline that anything cleverer has to beat.

Latency is close to a sum of parts, and accuracy is not far from one, so a linear model on the one-hot encoding of
an architecture predicts both well from a few dozen samples.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nas.errors import UsageError
from nas.predictors.samples import Array, PredictionErrors, checked_encodings, checked_samples, prediction_errors
from nas.predictors.saving import SavedAsJson

__all__ = ["LinearPredictor", "PredictionErrors"]

_PENALTIES = np.logspace(-3, 3, 19)


@dataclass(frozen=True)
class _Fit:
    penalty: float
    centre: Array
    intercept: float
    weights: Array
    covariance: Array
    noise: float
    samples: int
    errors: PredictionErrors


class LinearPredictor(SavedAsJson[_Fit]):
    """Ridge regression with an intercept, its penalty chosen by exact leave-one-out error.

    >>> import numpy as np
    >>> X = np.eye(4)[[0, 1, 2, 3, 0, 1, 2, 3]]
    >>> predictor = LinearPredictor().fit(X, X @ [1.0, 2.0, 3.0, 4.0])
    >>> mean, spread = predictor.predict(X[:2])
    >>> mean.round(1).tolist()
    [1.0, 2.0]
    """

    called = "linear predictor"

    @property
    def coefficients(self) -> tuple[Array, float]:
        """Weights ``[d]`` and intercept: the mean of an encoding ``x`` is ``x @ weights + intercept``."""
        fit = self._fitted()
        return fit.weights, float(fit.intercept - fit.centre @ fit.weights)

    def draw(self, rng: np.random.Generator) -> Array:
        """Weights ``[d]`` drawn from what is known of them: around the fitted ones, as wide as the spread tells."""
        fit = self._fitted()
        scales, basis = np.linalg.eigh(fit.covariance)
        away: Array = basis @ (np.sqrt(_positive(scales)) * rng.standard_normal(len(scales)))
        return fit.weights + fit.noise * away

    def fit(self, X: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> "LinearPredictor":  # noqa: N803
        """Learn from encodings `X` ``[n, d]`` and values `y` ``[n]``, in place of what was learnt before.

        `weights` ``[n]`` say how much each squared error counts: ``1 / y**2`` makes errors relative.
        Raises UsageError if there are fewer than three samples, a value is not finite, or a weight is not positive.
        """
        X, y = checked_samples(X, y)
        weight = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
        if weight.shape != y.shape or not np.isfinite(weight).all() or (weight <= 0).any():
            raise UsageError(
                f"fit() got weights of shape {weight.shape} for {len(y)} values, but each value needs one that is "
                "positive and finite; drop the samples that should not count."
            )
        share, root = weight / weight.sum(), np.sqrt(weight / np.median(weight))
        centre, intercept = share @ X, float(share @ y)
        away, surplus = (X - centre) * root[:, None], (y - intercept) * root
        scales, basis = np.linalg.eigh(away.T @ away)
        candidates = [_leave_one_out(away @ basis, surplus, share, scales, each) for each in _PENALTIES]
        best = int(np.argmin([np.abs(residuals).mean() for residuals, _ in candidates]))
        (residuals, leverages), penalty = candidates[best], float(_PENALTIES[best])
        covariance = (basis / (_positive(scales) + penalty)) @ basis.T
        self._fit = _Fit(
            penalty=penalty,
            centre=centre,
            intercept=intercept,
            weights=covariance @ (away.T @ surplus),
            covariance=covariance,
            noise=float(np.sqrt(np.mean(np.square(residuals) * (1 - leverages)))),
            samples=len(y),
            errors=prediction_errors(y, y - residuals / root),
        )
        return self

    def predict(self, X: ArrayLike) -> tuple[Array, Array]:  # noqa: N803
        """Mean ``[n]`` and spread ``[n]`` (one standard deviation) for encodings ``[n, d]``.

        The spread is as large as the leave-one-out errors on encodings like those of `fit`, and grows with the
        distance from them (the predictive deviation of Bayesian ridge regression).
        """
        fit = self._fitted()
        away = checked_encodings(X, len(fit.weights)) - fit.centre
        leverages = 1 / fit.samples + (away @ fit.covariance * away).sum(axis=1)
        return fit.intercept + away @ fit.weights, fit.noise * np.sqrt(1 + leverages)

    def _content(self) -> dict[str, Any]:
        fit = self._fitted()
        values = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(fit).items()}
        return {"linear": values | {"errors": asdict(fit.errors)}}

    @classmethod
    def _from(cls, content: Mapping[str, Any]) -> "LinearPredictor":
        predictor, values = cls(), content["linear"]
        arrays = {key: np.asarray(values[key], dtype=np.float64) for key in ("centre", "weights", "covariance")}
        predictor._fit = _Fit(**{**values, **arrays, "errors": PredictionErrors(**values["errors"])})
        return predictor


def _leave_one_out(projected: Array, y: Array, share: Array, scales: Array, penalty: float) -> tuple[Array, Array]:
    """Residuals ``[n]`` of the models without each sample, and leverages ``[n]``, without fitting n times."""
    shrunk = projected / (_positive(scales) + penalty)
    leverages = share + (projected * shrunk).sum(1)
    return (y - shrunk @ (projected.T @ y)) / (1 - leverages), leverages


def _positive(scales: Array) -> Array:
    """Eigenvalues of a Gram matrix, without the negative zeros of rounding."""
    return np.maximum(scales, 0)
