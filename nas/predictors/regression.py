"""Ridge on features alone, ridge, ridge with pairs, or boosted trees, on values or logarithms: cross-validation picks.

Predicts a million rows in seconds, so a search may ask for the latency of whatever it thinks of.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError
from nas.predictors.linear import LinearPredictor
from nas.predictors.samples import (
    USELESS,
    Array,
    PredictionErrors,
    checked_encodings,
    checked_samples,
    prediction_errors,
)
from nas.predictors.saving import SavedAsJson
from nas.predictors.trees import BoostedTrees, fit_trees
from nas.streams import Stream, rng

__all__ = ["RegressionPredictor"]

Indices = NDArray[np.int64]

_TINY = 0.1  # values below this share of the median count as this, or one of them would decide about relative errors
_MOST_PAIRS = 600
_FEWEST_FOR_PAIRS = 100
_FEWEST_FOR_TREES = 30
_ROWS = 1 << 16


@dataclass(frozen=True)
class _Ridge:
    """A linear function of the features, and of the products of pairs of columns if `pairs` ``[p, p]`` has rows."""

    weights: Array
    intercept: float
    pairs: Array

    def predict(self, X: Array) -> Array:  # noqa: N803
        columns = X[:, : len(self.pairs)]
        values: Array = self.intercept + X @ self.weights + ((columns @ self.pairs) * columns).sum(1)
        return values

    def state(self) -> dict[str, Any]:
        return {"weights": self.weights.tolist(), "intercept": self.intercept, "pairs": self.pairs.tolist()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "_Ridge":
        pairs = np.asarray(state["pairs"], dtype=np.float64)
        return cls(
            weights=np.asarray(state["weights"], dtype=np.float64),
            intercept=float(state["intercept"]),
            pairs=pairs.reshape(len(pairs), len(pairs)),
        )


@dataclass(frozen=True)
class _Fit:
    kind: str
    target: str
    model: _Ridge | BoostedTrees
    relative: bool
    deviation: float
    bounds: tuple[float, float]
    centre: Array
    scales: Array
    covariance: Array
    errors: PredictionErrors


class RegressionPredictor(SavedAsJson[_Fit]):
    """The best of several regressions by cross-validation, on values, on logarithms or for relative errors.

    They are ridge on the features alone, ridge, ridge with pairs, and trees. The first `one_hot` columns of an
    encoding are one-hot choices, those after them analytic features (FLOPs, params, bytes moved, depth, sums per
    kind), which alone are best while samples are few; without `one_hot` all columns are choices. Pairs are products
    of two one-hot columns, tried where there are at least 100 samples and at most 600 pairs; trees need 30
    samples; logarithms and relative errors positive values. `folds` and `seed` say how the samples are split.

    >>> import numpy as np
    >>> X = np.eye(4)[np.arange(40) % 4]
    >>> predictor = RegressionPredictor().fit(X, X @ [1.0, 2.0, 3.0, 4.0])
    >>> mean, spread = predictor.predict(X[:2])
    >>> mean.round(1).tolist()
    [1.0, 2.0]
    """

    called = "regression predictor"

    def __init__(self, one_hot: int | None = None, folds: int = 5, seed: int = 0) -> None:
        if folds < 2:
            raise UsageError(f"folds is {folds}, but cross-validation needs at least 2; give 5.")
        self.one_hot, self.folds, self.seed = one_hot, folds, seed

    @property
    def kind(self) -> str:
        """The chosen model, ``features``, ``ridge``, ``pairs`` or ``trees``, and what it was fitted to."""
        fit = self._fitted()
        return f"{fit.kind} on {fit.target}"

    def fit(self, X: ArrayLike, y: ArrayLike) -> "RegressionPredictor":  # noqa: N803
        """Learn from features `X` ``[n, d]`` and values `y` ``[n]``, in place of what was learnt before.

        Models are compared by their mean absolute error; where all values are positive it is relative, and errors
        above 20 % count as 20 %, or a few tiny values would decide.
        Raises UsageError if there are fewer than three samples, or a value is not finite.
        """
        X, y = checked_samples(X, y)
        one_hot = X.shape[1] if self.one_hot is None else min(self.one_hot, X.shape[1])
        relative = bool((y > 0).all())
        unit = y if relative else np.ones_like(y)
        folds = rng(self.seed, Stream.FOLDS).permutation(len(y)) % min(self.folds, len(y))
        candidates = [(kind, target) for kind in _kinds(X, one_hot) for target in _targets(kind, relative)]
        left_out = [_cross_validated(kind, target, X, y, one_hot, folds) for kind, target in candidates]
        most = USELESS if relative else np.inf
        best = int(np.argmin([np.minimum(np.abs((each - y) / unit), most).mean() for each in left_out]))
        (kind, target), predicted = candidates[best], left_out[best]
        scales = np.where(X.std(0) > 0, X.std(0), 1.0)
        standard = (X - X.mean(0)) / scales
        covariance = np.linalg.inv(standard.T @ standard + np.eye(X.shape[1]))
        typical = 1 + _leverages(standard, covariance).mean()
        self._fit = _Fit(
            kind=kind,
            target=target,
            model=_learn(kind, target, X, y, one_hot),
            relative=relative,
            deviation=float(np.sqrt(np.square((predicted - y) / unit).mean() / typical)),
            bounds=_bounds(y, relative),
            centre=X.mean(0),
            scales=scales,
            covariance=covariance,
            errors=prediction_errors(y, predicted),
        )
        return self

    def predict(self, X: ArrayLike) -> tuple[Array, Array]:  # noqa: N803
        """Mean ``[n]`` and spread ``[n]`` (one standard deviation) for features ``[n, d]``.

        The spread is the cross-validated deviation, relative to the mean where all samples were positive; it
        grows with the distance from the samples.
        """
        fit = self._fitted()
        X = checked_encodings(X, len(fit.centre))
        mean, spread = np.empty(len(X)), np.empty(len(X))
        for start in range(0, len(X), _ROWS):
            rows = slice(start, start + _ROWS)
            mean[rows] = _values(fit.model, fit.target, X[rows], fit.bounds)
            away = (X[rows] - fit.centre) / fit.scales
            spread[rows] = fit.deviation * np.sqrt(1 + _leverages(away, fit.covariance))
        return mean, spread * mean if fit.relative else spread

    def _content(self) -> dict[str, Any]:
        fit = self._fitted()
        values = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(fit).items()}
        values |= {"model": fit.model.state(), "errors": asdict(fit.errors)}
        options = {"one_hot": self.one_hot, "folds": self.folds, "seed": self.seed}
        return {"options": options, "regression": values}

    @classmethod
    def _from(cls, content: Mapping[str, Any]) -> "RegressionPredictor":
        predictor = cls(**content["options"])
        predictor._fit = _fit_from(content["regression"])
        return predictor


def _kinds(X: Array, one_hot: int) -> list[str]:  # noqa: N803
    """The models that so many samples and columns can afford, the simplest first."""
    kinds = ["features", "ridge"] if 0 < one_hot < X.shape[1] else ["ridge"]
    if len(X) >= _FEWEST_FOR_PAIRS and 0 < len(_pairs(X, one_hot)[0]) <= _MOST_PAIRS:
        kinds.append("pairs")
    return [*kinds, "trees"] if len(X) >= _FEWEST_FOR_TREES else kinds


def _targets(kind: str, positive: bool) -> list[str]:
    if not positive:
        return ["values"]
    return ["values", "logarithms"] if kind == "trees" else ["values", "logarithms", "relative errors"]


def _cross_validated(kind: str, target: str, X: Array, y: Array, one_hot: int, folds: Indices) -> Array:  # noqa: N803
    """Predictions ``[n]`` of each sample by the model that was fitted without its fold."""
    predicted = np.empty_like(y)
    for fold in np.unique(folds):
        out = folds == fold
        model = _learn(kind, target, X[~out], y[~out], one_hot)
        predicted[out] = _values(model, target, X[out], _bounds(y[~out], bool((y > 0).all())))
    return predicted


def _learn(kind: str, target: str, X: Array, y: Array, one_hot: int) -> _Ridge | BoostedTrees:  # noqa: N803
    weights = np.maximum(y, _TINY * np.median(y)) ** -2.0 if target == "relative errors" else np.ones_like(y)
    y = np.log(y) if target == "logarithms" else y
    if kind == "trees":
        return fit_trees(X, y)
    if kind == "features":
        X = np.where(np.arange(X.shape[1]) < one_hot, 0, X)
    return _ridge(X, y, weights, one_hot if kind == "pairs" else 0)


def _ridge(X: Array, y: Array, weights: Array, one_hot: int) -> _Ridge:  # noqa: N803
    """Ridge on the features, all on one scale, and on the pairs of the first `one_hot` columns."""
    if len(y) < 3:
        return _Ridge(np.zeros(X.shape[1]), float(y.mean()), np.zeros((0, 0)))
    first, second = _pairs(X, one_hot)
    columns = np.hstack([X, X[:, first] * X[:, second]])
    scales = np.where(columns.std(0) > 0, columns.std(0), 1.0)
    coefficients, intercept = LinearPredictor().fit(columns / scales, y, weights).coefficients
    coefficients = coefficients / scales
    pairs = np.zeros((one_hot, one_hot))
    pairs[first, second] = coefficients[X.shape[1] :]
    return _Ridge(coefficients[: X.shape[1]], intercept, pairs)


def _pairs(X: Array, one_hot: int) -> tuple[Indices, Indices]:  # noqa: N803
    """The pairs of columns that are ever both set."""
    columns = X[:, :one_hot]
    both = np.triu(columns.T @ columns, k=1)
    first, second = np.nonzero(both)
    return first.astype(np.int64), second.astype(np.int64)


def _values(model: _Ridge | BoostedTrees, target: str, X: Array, bounds: tuple[float, float]) -> Array:  # noqa: N803
    """Predictions on the scale of the samples, never outside the bounds."""
    raw = model.predict(X)
    if target == "logarithms":
        raw = np.exp(np.clip(raw, *np.log(bounds)))
    return np.clip(raw, *bounds)


def _bounds(y: Array, positive: bool) -> tuple[float, float]:
    """How far beyond the samples a prediction may go: ten times for positive values, anywhere for others."""
    return (float(y.min()) / 10, float(y.max()) * 10) if positive else (-np.inf, np.inf)


def _leverages(away: Array, covariance: Array) -> Array:
    """Squared distances ``[n]`` from the centre of the samples, in their own deviations, over their number."""
    distances: Array = ((away @ covariance) * away).sum(1)
    return distances


def _fit_from(values: Mapping[str, Any]) -> _Fit:
    kinds: dict[str, type[_Ridge] | type[BoostedTrees]] = dict.fromkeys(("features", "ridge", "pairs"), _Ridge)
    kinds["trees"] = BoostedTrees
    arrays = {key: np.asarray(values[key], dtype=np.float64) for key in ("centre", "scales", "covariance")}
    model = kinds[values["kind"]].from_state(values["model"])
    bounds = (float(values["bounds"][0]), float(values["bounds"][1]))
    errors = PredictionErrors(**values["errors"])
    return _Fit(**{**values, **arrays, "model": model, "bounds": bounds, "errors": errors})
