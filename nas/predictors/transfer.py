"""A new device from about ten measurements, given tables of known devices over the same space.

The setting is HELP's (Lee et al., "HELP: Hardware-adaptive efficient latency prediction for NAS via
meta-learning", 2021); the method is plain Bayesian linear regression. Each known device is a vector of
coefficients over the encoding, relative to its mean latency; the mean of those vectors, their principal
directions and a little freedom around them are the prior for the next device.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError
from nas.files import write_file
from nas.predictors.choosing import choose_diverse
from nas.predictors.samples import Array, PredictionErrors, checked_encodings, checked_samples, prediction_errors
from nas.predictors.saving import Learning, check_guard, reading

__all__ = ["TransferPredictor"]

_FREEDOMS = (0.01, 0.1, 1.0)
_NOISES = (0.01, 0.03, 0.1, 0.3)
_MOST_REHEARSED = 64
_ROWS = 1 << 16


@dataclass(frozen=True)
class _Settings:
    """`log`: additive in the logarithm; `freedom`: variance outside the known directions; `noise`: of a sample."""

    log: bool
    freedom: float
    noise: float


@dataclass(frozen=True)
class _Posterior:
    """What is believed of one device's coefficients, for values divided by `level`."""

    level: float
    mean: Array
    covariance: Array


@dataclass(frozen=True)
class _Fit:
    settings: _Settings
    posterior: _Posterior
    deviation: float
    errors: PredictionErrors


class TransferPredictor(Learning[_Fit]):
    """Few-shot latency of a new device.

    `known_X` ``[n, d]`` are encodings (one-hot columns, and analytic features if wanted), `known_y`
    ``[devices, n]`` the positive latencies of two or more known devices on them. `groups` names the platform of each
    known device: those that share one (batch sizes of one GPU) are left out together when settings are chosen.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = np.eye(4)[rng.integers(0, 4, (50, 3))].reshape(50, 12)
    >>> devices = rng.uniform(1, 2, (5, 2)) @ rng.uniform(1, 2, (2, 12)) @ X.T
    >>> few = choose_diverse(X, 10, seed=0)
    >>> predictor = TransferPredictor(X, devices[:4]).fit(X[few], devices[4, few])
    >>> mean, spread = predictor.predict(X)
    >>> bool(np.abs(mean / devices[4] - 1).max() < 0.1)
    True
    """

    called = "transfer predictor"

    def __init__(self, known_X: ArrayLike, known_y: ArrayLike, groups: Sequence[str] | None = None) -> None:  # noqa: N803
        self.known_X, self.known_y = checked_encodings(known_X), np.asarray(known_y, dtype=np.float64)
        shape = self.known_y.shape
        fits = len(shape) == 2 and shape[0] >= 2 and shape[1] == len(self.known_X) >= 3
        if not fits or not np.isfinite(self.known_y).all() or (self.known_y <= 0).any():
            raise UsageError(
                f"The known latencies have shape {shape} for encodings of shape {self.known_X.shape}, but they must be "
                "positive numbers [devices, n], for 2 or more devices and 3 or more encodings; drop the broken ones."
            )
        self.groups = [str(index) for index in range(shape[0])] if groups is None else list(groups)
        if len(self.groups) != shape[0] or len(set(self.groups)) < 2:
            raise UsageError(
                f"groups has {len(self.groups)} names, {len(set(self.groups))} of them different, for {shape[0]} known "
                "devices, but each device needs one and there must be two platforms or more; name them."
            )
        self._rehearsed: dict[int, _Settings] = {}
        self._centre = self.known_X.mean(0)
        self._scales = np.where(self.known_X.std(0) > 0, self.known_X.std(0), 1.0)
        self._coefficients = {log: self._known_coefficients(log) for log in (False, True)}

    def choose(self, X: ArrayLike, k: int, seed: int) -> NDArray[np.int64]:  # noqa: N803
        """The `k` rows of `X` ``[n, d]`` to measure on a new device: they tell the known ones apart best.

        Raises UsageError if there are fewer than `k` rows.
        """
        X = checked_encodings(X, self.known_X.shape[1])
        mean, covariance = _prior(self._coefficients[False], _FREEDOMS[0])
        variances, directions = np.linalg.eigh(covariance + np.outer(mean, mean))
        features = self._design(X) @ (directions * np.sqrt(np.maximum(variances, 0)))
        return choose_diverse(features / _NOISES[1], k, seed)

    def fit(self, X: ArrayLike, y: ArrayLike) -> "TransferPredictor":  # noqa: N803
        """Learn a new device from samples `X` ``[n, d]`` and its positive latencies `y` ``[n]``.

        The settings (logarithm or not, how far from the known devices, how noisy) are those that predict each
        known platform best from as many samples (64 at most) by the others. Errors are leave-one-out, but for the
        device's mean latency, which is taken from all samples.
        Raises UsageError if there are fewer than three samples, or a value is not positive and finite.
        """
        X, y = checked_samples(X, y)
        if (y <= 0).any():
            raise UsageError(f"fit() got a latency of {y.min()}, but latencies are positive; drop the broken samples.")
        settings = self._best_settings(min(len(y), _MOST_REHEARSED, len(self.known_X) // 2))
        design, coefficients = self._design(X), self._coefficients[settings.log]
        posterior = _posterior(design, y, coefficients, settings)
        left_out, standard = _left_out(design, y, coefficients, settings)
        self._fit = _Fit(
            settings=settings,
            posterior=posterior,
            deviation=float(np.sqrt(np.square(standard).mean())),
            errors=prediction_errors(y, left_out),
        )
        return self

    def predict(self, X: ArrayLike) -> tuple[Array, Array]:  # noqa: N803
        """Mean ``[n]`` and spread ``[n]`` (one standard deviation) for encodings ``[n, d]``.

        The spread is the posterior's, scaled to the leave-one-out errors of the samples.
        """
        fit = self._fitted()
        X = checked_encodings(X, self.known_X.shape[1])
        mean, spread = np.empty(len(X)), np.empty(len(X))
        for start in range(0, len(X), _ROWS):
            rows, design = slice(start, start + _ROWS), self._design(X[start : start + _ROWS])
            mean[rows] = _values(design, fit.posterior, fit.settings.log)
            variance = fit.settings.noise**2 + ((design @ fit.posterior.covariance) * design).sum(1)
            spread[rows] = fit.deviation * np.sqrt(variance)
        return mean, spread * (mean if fit.settings.log else fit.posterior.level)

    def save(self, path: str | Path, guard: Mapping[str, str]) -> None:
        """Write the predictor and what it knows as npz, with the names of what it was fitted for."""
        fit = self._fitted()
        facts = {
            "guard": dict(guard),
            "groups": self.groups,
            "settings": asdict(fit.settings),
            "errors": asdict(fit.errors),
            "deviation": fit.deviation,
            "level": fit.posterior.level,
        }
        content = io.BytesIO()
        np.savez_compressed(
            content,
            transfer=np.array(json.dumps(facts)),
            known_X=self.known_X,
            known_y=self.known_y,
            mean=fit.posterior.mean,
            covariance=fit.posterior.covariance,
        )
        write_file(path, content.getvalue())

    @classmethod
    def load(cls, path: str | Path, guard: Mapping[str, str]) -> "TransferPredictor":
        """Read what `save` wrote; the predictor can also be fitted to another device.

        Raises UsageError if the file is damaged, or if it was saved with another `guard`.
        """
        with reading(path, cls.called):
            content = np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False)
            facts = json.loads(str(content["transfer"]))
            predictor, saved = cls(content["known_X"], content["known_y"], facts["groups"]), dict(facts["guard"])
            predictor._fit = _Fit(
                settings=_Settings(**facts["settings"]),
                posterior=_Posterior(float(facts["level"]), content["mean"], content["covariance"]),
                deviation=float(facts["deviation"]),
                errors=PredictionErrors(**facts["errors"]),
            )
        check_guard(path, saved, guard)
        return predictor

    def _design(self, X: Array) -> Array:  # noqa: N803
        """A column of ones and the encodings, each on the scale it has among the known ones."""
        return np.hstack([np.ones((len(X), 1)), (X - self._centre) / self._scales])

    def _known_coefficients(self, log: bool) -> Array:
        """Ridge coefficients ``[devices, 1 + d]`` of the known devices, relative to their mean latency."""
        design = self._design(self.known_X)
        penalty = np.eye(design.shape[1])
        penalty[0, 0] = 0
        relative = self.known_y / self.known_y.mean(1, keepdims=True)
        values = np.log(relative) + 1 if log else relative
        solved: Array = np.linalg.solve(design.T @ design + penalty, design.T @ values.T).T
        return solved

    def _best_settings(self, count: int) -> _Settings:
        """The settings with the smallest error over all known devices, each from `count` samples by the others."""
        if count in self._rehearsed:
            return self._rehearsed[count]
        few = self.choose(self.known_X, count, seed=0)
        rest = np.setdiff1d(np.arange(len(self.known_X)), few)
        design, groups = self._design(self.known_X), np.array(self.groups)
        errors = {}
        for settings in (_Settings(*each) for each in product((False, True), _FREEDOMS, _NOISES)):
            errors[settings] = 0.0
            for device, group in enumerate(groups):
                others = self._coefficients[settings.log][groups != group]
                posterior = _posterior(design[few], self.known_y[device, few], others, settings)
                predicted = _values(design[rest], posterior, settings.log)
                relative = np.abs(predicted / self.known_y[device, rest] - 1)
                errors[settings] += float(np.minimum(relative, 1).mean())
        self._rehearsed[count] = min(errors, key=lambda settings: errors[settings])
        return self._rehearsed[count]


def _prior(coefficients: Array, freedom: float) -> tuple[Array, Array]:
    """Mean ``[1 + d]`` and covariance of the known devices' coefficients ``[devices, 1 + d]``."""
    mean = coefficients.mean(0)
    away = coefficients - mean
    directions = away.T @ away / max(len(away) - 1, 1)
    own = np.diag(directions)
    return mean, directions + freedom * np.diag(own + 1e-3 * own.mean() + 1e-9) + 0.1 * np.outer(mean, mean)


def _scaled(y: Array, level: float, log: bool) -> Array:
    """Values on the scale of the coefficients: 1 is the mean latency."""
    return np.log(y / level) + 1 if log else y / level


def _values(design: Array, posterior: _Posterior, log: bool) -> Array:
    """Latencies ``[n]``, never below a hundredth of the device's level nor above a hundred times."""
    raw = design @ posterior.mean
    raw = np.exp(np.clip(raw - 1, -10, 10)) if log else raw
    return posterior.level * np.clip(raw, 0.01, 100)


def _level(design: Array, y: Array, coefficients: Array, log: bool) -> float:
    """The device's mean latency over the space, as the mean of the known devices would have it from its samples."""
    expected = design @ coefficients.mean(0)
    return float(np.exp((np.log(y) - expected + 1).mean()) if log else y.mean() / max(float(expected.mean()), 0.01))


def _posterior(design: Array, y: Array, coefficients: Array, settings: _Settings) -> _Posterior:
    """Bayesian linear regression on samples ``[n, 1 + d]`` under the prior of the known devices' coefficients."""
    level = _level(design, y, coefficients, settings.log)
    mean, covariance = _prior(coefficients, settings.freedom)
    gain = design @ covariance
    inner = gain @ design.T + settings.noise**2 * np.eye(len(y))
    surprise = _scaled(y, level, settings.log) - design @ mean
    return _Posterior(
        level=level,
        mean=mean + gain.T @ np.linalg.solve(inner, surprise),
        covariance=covariance - gain.T @ np.linalg.solve(inner, gain),
    )


def _left_out(design: Array, y: Array, coefficients: Array, settings: _Settings) -> tuple[Array, Array]:
    """Predictions ``[n]`` without each sample, and their errors in predicted deviations, without fitting n times."""
    level = _level(design, y, coefficients, settings.log)
    mean, covariance = _prior(coefficients, settings.freedom)
    inverse = np.linalg.inv(design @ covariance @ design.T + settings.noise**2 * np.eye(len(y)))
    scaled, weights = _scaled(y, level, settings.log), np.diag(inverse)
    residuals = inverse @ (scaled - design @ mean) / weights
    left_out = scaled - residuals
    return level * (np.exp(left_out - 1) if settings.log else left_out), residuals * np.sqrt(weights)
