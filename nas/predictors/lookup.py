"""Latency as the sum of blocks measured one by one, plus what running them together adds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nas.errors import UsageError
from nas.predictors.samples import Array, PredictionErrors, checked_encodings, checked_samples, prediction_errors
from nas.predictors.saving import SavedAsJson

__all__ = ["LookupPredictor"]


@dataclass(frozen=True)
class _Fit:
    weights: list[float]
    overhead: float
    deviation: float
    errors: PredictionErrors


class LookupPredictor(SavedAsJson[_Fit]):
    """A lookup table with a fitted overhead (ProxylessNAS, Cai et al., 2019; once-for-all, Cai et al., 2020).

    The columns of an encoding after the first `one_hot`, which are not looked at, are sums over the blocks of an
    architecture: their measured milliseconds, their number and, of cells, the same for live edges alone. Fitted are a
    factor of each sum and a constant, which may be negative: the sum counts the runtime's call once a block, the
    network pays it once, and its caches are colder.

    >>> import numpy as np
    >>> X = np.array([[1.0, 2], [2.0, 3], [4.0, 3], [3.0, 5]])
    >>> predictor = LookupPredictor().fit(X, 0.5 + 0.9 * X[:, 0] + 0.1 * X[:, 1])
    >>> mean, spread = predictor.predict(X[:1])
    >>> mean.round(3).tolist()
    [1.6]
    """

    called = "lookup predictor"

    def __init__(self, one_hot: int = 0) -> None:
        self.one_hot = one_hot

    @property
    def coefficients(self) -> tuple[Array, float]:
        """Weights of the sums and overhead: the mean of an encoding ``x`` is ``x[one_hot:] @ weights + overhead``."""
        fit = self._fitted()
        return np.array(fit.weights), fit.overhead

    def fit(self, X: ArrayLike, y: ArrayLike) -> "LookupPredictor":  # noqa: N803
        """Learn from encodings `X` ``[n, d]`` and positive values `y` ``[n]``; relative errors count.

        Raises UsageError if there are fewer than three samples, or a value is not finite or not positive.
        """
        X, y = checked_samples(X, y)
        if (y <= 0).any():
            raise UsageError(f"fit() got a latency of {y.min()}, but latencies are positive; drop the broken samples.")
        X, every = X[:, self.one_hot :], np.arange(len(y))
        left_out = np.array([float(_line(X[every != i], y[every != i]) @ [*X[i], 1.0]) for i in every])
        *weights, overhead = _line(X, y).tolist()
        self._fit = _Fit(
            weights=weights,
            overhead=overhead,
            deviation=float(np.sqrt(np.square(left_out / y - 1).mean())),
            errors=prediction_errors(y, left_out),
        )
        return self

    def predict(self, X: ArrayLike) -> tuple[Array, Array]:  # noqa: N803
        """Mean ``[n]`` and spread ``[n]`` (one standard deviation) for encodings ``[n, d]``."""
        fit = self._fitted()
        sums = checked_encodings(X, self.one_hot + len(fit.weights))[:, self.one_hot :]
        mean: Array = sums @ np.array(fit.weights) + fit.overhead
        return mean, fit.deviation * np.abs(mean)

    def _content(self) -> dict[str, Any]:
        return {"one_hot": self.one_hot, "lookup": asdict(self._fitted())}

    @classmethod
    def _from(cls, content: Mapping[str, Any]) -> "LookupPredictor":
        predictor, values = cls(int(content["one_hot"])), content["lookup"]
        predictor._fit = _Fit(
            weights=[float(weight) for weight in values["weights"]],
            overhead=float(values["overhead"]),
            deviation=float(values["deviation"]),
            errors=PredictionErrors(**values["errors"]),
        )
        return predictor


def _line(X: Array, y: Array) -> Array:  # noqa: N803
    """Weights ``[d + 1]``, the constant last, that make the relative errors smallest."""
    columns = np.hstack([X, np.ones((len(X), 1))])
    scales = np.maximum(np.abs(columns).max(0), 1e-12)
    solution = np.linalg.lstsq(columns / scales / y[:, None], np.ones(len(y)))[0]
    return np.asarray(solution / scales)
