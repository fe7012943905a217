"""What every predictor must do."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import Predictor

__all__ = ["PredictorSuite"]

_GUARD = {"space": "abc", "target": "cpu-1", "input_shape": "3x32x32"}


class PredictorSuite:
    """Tests of a :class:`nas.predictors.Predictor`.

    >>> from nas.predictors import LinearPredictor
    >>> class TestLinearPredictor(PredictorSuite):
    ...     def make(self):
    ...         return LinearPredictor()

    Attributes:
        make: a predictor that has learnt nothing, for encodings of five choices with four one-hot candidates each.
    """

    make: Callable[[], Predictor]

    @pytest.mark.parametrize("count", [0, 1, 37])
    def test_a_mean_and_a_spread_for_each_encoding(self, count: int) -> None:
        """Candidates are bounded by the one, and chosen to be measured by the other."""
        predictor, encodings = self.make(), _encodings(60, 0)
        assert predictor.fit(encodings, _latencies(encodings)) is predictor
        mean, spread = predictor.predict(_encodings(count, 1))
        assert mean.shape == spread.shape == (count,) and mean.dtype == spread.dtype == np.float64
        assert np.isfinite(mean).all() and (spread >= 0).all()

    def test_a_sum_of_parts_is_learnt_from_eighty_samples(self) -> None:
        """Latency is close to one; errors and spread say how well it is known, here to about one per cent."""
        encodings, others = _encodings(80, 0), _encodings(300, 1)
        predictor = self.make().fit(encodings, _latencies(encodings, noise=0.01))
        mean, spread = predictor.predict(others)
        assert np.abs(mean / _latencies(others) - 1).mean() < 0.02
        assert predictor.errors.mape < 0.03 and predictor.errors.spearman > 0.95
        assert 0.001 < np.median(spread / mean) < 0.05

    def test_few_samples_and_constant_values_are_enough_to_answer(self) -> None:
        """A profile begins with few, and on some devices all networks take the same time."""
        few, many = _encodings(3, 0), _encodings(40, 0)
        mean, _ = self.make().fit(few, _latencies(few)).predict(_encodings(20, 1))
        assert ((mean > 0) & (mean < 20)).all()
        mean, spread = self.make().fit(many, np.full(40, 2.5)).predict(many)
        np.testing.assert_allclose(mean, 2.5, rtol=0.05)
        assert spread.max() < 0.25

    @pytest.mark.parametrize("count", [10, 150])
    def test_it_is_a_function_of_its_samples_and_survives_saving_to_the_bit(self, count: int, tmp_path: Path) -> None:
        """Whatever it learnt before; workers and resumed runs read it, and must bound candidates as the run did."""
        encodings, others, path = _encodings(count, 0), _encodings(100, 1), tmp_path / "new folder" / "predictor"
        values = _latencies(encodings, noise=0.05)
        predictor = self.make().fit(encodings, values)
        expected = predictor.predict(others)
        np.testing.assert_array_equal(
            self.make().fit(encodings[:5], values[:5]).fit(encodings, values).predict(others), expected
        )
        predictor.save(path, _GUARD)
        loaded = type(predictor).load(path, _GUARD)
        np.testing.assert_array_equal(loaded.predict(others), expected)
        assert loaded.errors == predictor.errors and list(path.parent.iterdir()) == [path]

    def test_a_file_that_is_missing_damaged_or_of_another_guard_is_refused(self, tmp_path: Path) -> None:
        """Latencies of another device, space or input are no latencies."""
        path, encodings = tmp_path / "predictor", _encodings(12, 0)
        predictor = self.make().fit(encodings, _latencies(encodings))
        with pytest.raises(UsageError):
            type(predictor).load(path, _GUARD)
        predictor.save(path, _GUARD)
        for guard in (_GUARD | {"target": "cpu-2"}, _GUARD | {"space": "xyz"}, {"space": "abc", "target": "cpu-1"}):
            with pytest.raises(UsageError):
                type(predictor).load(path, guard)
        whole = path.read_bytes()
        for content in (b"", b"{", b"[]", whole[:-30], whole[: len(whole) // 2]):
            path.write_bytes(content)
            with pytest.raises(UsageError):
                type(predictor).load(path, _GUARD)

    def test_what_cannot_be_learnt_or_predicted_is_refused(self, tmp_path: Path) -> None:
        """A sentence now instead of numbers that mean nothing."""
        X = _encodings(4, 0)
        y, broken = _latencies(X), np.where(np.eye(*X.shape) > 0, np.nan, X)
        samples = (X[:2], y[:2]), (X, y[:3]), (X, y + np.inf), (X, y + np.nan), (broken, y)
        calls: list[Callable[[], object]] = [
            *(partial(self.make().fit, *each) for each in samples),
            *(partial(self.make().fit(X, y).predict, each) for each in (broken, X[:, :3], X[0])),
            partial(self.make().predict, X),
            partial(self.make().save, tmp_path / "never written", _GUARD),
        ]
        for call in calls:
            with pytest.raises(UsageError):
                call()
        assert not list(tmp_path.iterdir())


def _encodings(count: int, seed: int) -> np.ndarray:
    indices = np.random.default_rng(seed).integers(0, 4, (count, 5))
    return np.eye(4)[indices].reshape(count, 20)


def _latencies(encodings: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """Sums of parts, with relative noise."""
    exact = 1 + encodings @ np.random.default_rng(5).uniform(0.1, 1.0, encodings.shape[1])
    return np.asarray(exact * np.random.default_rng(2).normal(1, noise, len(exact)))
