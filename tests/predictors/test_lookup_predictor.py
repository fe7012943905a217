"""A scale and an overhead fitted to sums over measured blocks."""

import json
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import LookupPredictor

GUARD = {"space": "abc", "target": "cpu-1"}


def sums(seed: int, count: int) -> np.ndarray:
    """Milliseconds of the blocks, and their number."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(0.5, 5, count), rng.integers(3, 12, count)], 1)


def test_recovers_the_scale_the_cost_of_a_block_and_the_overhead() -> None:
    X = sums(0, 20)
    predictor = LookupPredictor().fit(X, 0.25 + 0.8 * X[:, 0] + 0.03 * X[:, 1])
    weights, overhead = predictor.coefficients
    np.testing.assert_allclose([*weights, overhead], [0.8, 0.03, 0.25], rtol=1e-9)
    mean, spread = predictor.predict(sums(1, 50))
    np.testing.assert_allclose(mean, 0.25 + sums(1, 50) @ [0.8, 0.03])
    assert spread.max() < 1e-6
    assert predictor.errors.mape < 1e-9


def test_coefficients_give_the_mean() -> None:
    X = np.hstack([np.eye(4)[np.arange(30) % 4], sums(0, 30)])
    predictor = LookupPredictor(one_hot=4).fit(X, 1 + X[:, 4] * np.random.default_rng(1).uniform(0.8, 1.2, 30))
    weights, overhead = predictor.coefficients
    assert weights.shape == (2,)
    np.testing.assert_allclose(predictor.predict(X)[0], X[:, 4:] @ weights + overhead)


def test_the_one_hot_columns_are_not_looked_at() -> None:
    X, noise = sums(0, 30), np.random.default_rng(2).normal(size=(30, 5))
    y = 1 + X[:, 0] * np.random.default_rng(1).uniform(0.8, 1.2, 30)
    with_choices, alone = LookupPredictor(one_hot=5).fit(np.hstack([noise, X]), y), LookupPredictor().fit(X, y)
    np.testing.assert_array_equal(with_choices.predict(np.hstack([-noise, X]))[0], alone.predict(X)[0])


@pytest.mark.parametrize("count", [4, 12, 40])
def test_leave_one_out_errors_equal_refitting(count: int) -> None:
    X = sums(0, count)
    y = (1 + X @ [0.9, 0.1]) * np.random.default_rng(1).uniform(0.8, 1.2, count)
    predictor = LookupPredictor().fit(X, y)
    left_out = np.array(
        [
            float(LookupPredictor().fit(X[keep], y[keep]).predict(X[[i]])[0][0])
            for i in range(count)
            if (keep := np.arange(count) != i).any()
        ]
        if count > 3
        else []
    )
    relative = left_out / y - 1
    assert predictor.errors.mape == pytest.approx(np.abs(relative).mean())
    assert predictor.errors.within_10pct == np.mean(np.abs(relative) <= 0.1)
    mean, spread = predictor.predict(X)
    np.testing.assert_allclose(spread / mean, np.sqrt(np.square(relative).mean()))


def test_relative_errors_count() -> None:
    """A fast network that is 10 % off weighs as much as a slow one that is 10 % off."""
    X = np.array([[1.0], [1.0], [1.0], [100.0], [100.0], [100.0]])
    weights, overhead = LookupPredictor().fit(X, [0.9, 1.0, 1.1, 90, 100, 110]).coefficients
    rows = np.hstack([X, np.ones((6, 1))]) / np.array([[0.9], [1.0], [1.1], [90], [100], [110]])
    np.testing.assert_allclose([weights[0], overhead], np.linalg.lstsq(rows, np.ones(6))[0], atol=1e-12)


def test_columns_that_say_the_same_and_huge_ones_do_no_harm() -> None:
    X = np.hstack([sums(0, 30), np.full((30, 1), 7.0), 1e9 * sums(0, 30)[:, :1], np.zeros((30, 1))])
    y = 0.5 + X[:, 0]
    np.testing.assert_allclose(LookupPredictor().fit(X, y).predict(X)[0], y)


def test_a_spread_is_never_negative() -> None:
    X = sums(0, 30)
    predictor = LookupPredictor().fit(X, X[:, 0] * np.random.default_rng(1).uniform(0.9, 1.1, 30))
    mean, spread = predictor.predict(-X)
    assert (mean < 0).any()
    assert (spread > 0).all()


def test_latencies_that_are_not_positive_are_refused() -> None:
    for wrong in (0.0, -1.0):
        with pytest.raises(UsageError, match=rf"latency of {wrong}, but latencies are positive"):
            LookupPredictor().fit(sums(0, 4), [1.0, 2.0, wrong, 3.0])


def test_the_file_keeps_what_was_fitted_and_refuses_nonsense(tmp_path: Path) -> None:
    X, path = np.hstack([np.eye(20), sums(0, 20)]), tmp_path / "model"
    predictor = LookupPredictor(one_hot=20).fit(X, 1 + X[:, 20])
    predictor.save(path, GUARD)
    again = LookupPredictor.load(path, GUARD)
    assert again.one_hot == 20
    assert again.coefficients[0].tolist() == predictor.coefficients[0].tolist()
    content = json.loads(path.read_text())
    for broken in ({"weights": None}, {"weights": ["x"]}, {"overhead": "y"}, {"overhead": None}, {"deviation": []}):
        path.write_text(json.dumps({**content, "lookup": {**content["lookup"], **broken}}))
        with pytest.raises(UsageError, match="is no saved lookup predictor"):
            LookupPredictor.load(path, GUARD)
