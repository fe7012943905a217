"""Ridge regression on one-hot choices: the baseline that anything cleverer has to beat.

Latency is close to a sum of parts, and accuracy is not far from one, so a linear model on the one-hot encoding of
an architecture predicts both well from a few dozen samples.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nas.errors import UsageError
from nas.files import write_file
from nas.predictors.samples import Array, PredictionErrors, checked_encodings, checked_samples, prediction_errors
from nas.predictors.saving import check_guard, reading

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


class LinearPredictor:
    """Ridge regression with an intercept, its penalty chosen by exact leave-one-out error.

    >>> import numpy as np
    >>> X = np.eye(4)[[0, 1, 2, 3, 0, 1, 2, 3]]
    >>> predictor = LinearPredictor().fit(X, X @ [1.0, 2.0, 3.0, 4.0])
    >>> mean, spread = predictor.predict(X[:2])
    >>> mean.round(1).tolist()
    [1.0, 2.0]
    """

    def __init__(self) -> None:
        self._fit: _Fit | None = None

    @property
    def errors(self) -> PredictionErrors:
        """The leave-one-out errors on the samples of `fit`."""
        return self._fitted().errors

    @property
    def coefficients(self) -> tuple[Array, float]:
        """Weights ``[d]`` and intercept: the mean of an encoding ``x`` is ``x @ weights + intercept``."""
        fit = self._fitted()
        return fit.weights, float(fit.intercept - fit.centre @ fit.weights)

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
        leverages = 1 / fit.samples + np.einsum("nd,de,ne->n", away, fit.covariance, away)
        return fit.intercept + away @ fit.weights, fit.noise * np.sqrt(1 + leverages)

    def save(self, path: str | Path, guard: Mapping[str, str]) -> None:
        """Write the predictor as JSON, with the names of what it was fitted for (space, target, input shape)."""
        fit = self._fitted()
        values = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(fit).items()}
        content = {"guard": dict(guard), "linear": values | {"errors": asdict(fit.errors)}}
        write_file(path, json.dumps(content))

    @classmethod
    def load(cls, path: str | Path, guard: Mapping[str, str]) -> "LinearPredictor":
        """Read what `save` wrote.

        Raises UsageError if the file is damaged, or if it was saved with another `guard`.
        """
        with reading(path, "linear predictor"):
            content = json.loads(Path(path).read_text())
            saved, fit = dict(content["guard"]), _fit_from(content["linear"])
        check_guard(path, saved, guard)
        predictor = cls()
        predictor._fit = fit
        return predictor

    def _fitted(self) -> _Fit:
        if self._fit is None:
            raise UsageError("The linear predictor has not learnt anything yet; call fit() first.")
        return self._fit


def _leave_one_out(projected: Array, y: Array, share: Array, scales: Array, penalty: float) -> tuple[Array, Array]:
    """Residuals ``[n]`` of the models without each sample, and leverages ``[n]``, without fitting n times."""
    shrunk = projected / (_positive(scales) + penalty)
    leverages = share + (projected * shrunk).sum(1)
    return (y - shrunk @ (projected.T @ y)) / (1 - leverages), leverages


def _positive(scales: Array) -> Array:
    """Eigenvalues of a Gram matrix, without the negative zeros of rounding."""
    return np.maximum(scales, 0)


def _fit_from(values: Mapping[str, Any]) -> _Fit:
    arrays = {key: np.asarray(values[key], dtype=np.float64) for key in ("centre", "weights", "covariance")}
    return _Fit(**{**values, **arrays, "errors": PredictionErrors(**values["errors"])})
