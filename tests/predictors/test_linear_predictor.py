import json
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import LinearPredictor

GUARD = {"space": "abc", "target": "cpu-1", "input_shape": "3x32x32"}


def one_hot(rng: np.random.Generator, count: int, choices: int = 6, options: int = 4) -> np.ndarray:
    return np.eye(options)[rng.integers(0, options, (count, choices))].reshape(count, -1)


@pytest.fixture
def sums() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and test samples of a sum of parts with noise of 0.02."""
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 1.0, 24)
    X, X_new = one_hot(rng, 60), one_hot(rng, 400)
    return X, X @ weights + rng.normal(0, 0.02, 60), X_new, X_new @ weights + rng.normal(0, 0.02, 400)


def test_learns_a_sum_of_parts(sums: tuple[np.ndarray, ...]) -> None:
    X, y, X_new, y_new = sums
    predictor = LinearPredictor().fit(X, y)
    mean, spread = predictor.predict(X_new)
    assert np.abs(mean / y_new - 1).mean() < 0.02
    assert predictor.errors.mape < 0.02
    assert predictor.errors.within_10pct == 1.0
    assert predictor.errors.spearman > 0.99
    assert 0.6 < np.mean(np.abs(mean - y_new) < spread) < 0.8  # a normal law has 0.68 within one deviation


def test_draws_of_weights_are_as_wide_as_the_spread(sums: tuple[np.ndarray, ...]) -> None:
    """Of the spread, the part that comes from weights: without noise, and without the constant of sixty samples."""
    X, y, X_new, _ = sums
    predictor = LinearPredictor().fit(X[:30], y[:30])
    (fit, rng), away = (predictor._fitted(), np.random.default_rng(0)), X_new[:5] - X[:30].mean(axis=0)
    draws = np.stack([away @ predictor.draw(rng) for _ in range(4000)])
    assert draws.mean(axis=0) == pytest.approx(away @ fit.weights, abs=0.02)
    variances = predictor.predict(X_new[:5])[1] ** 2 - fit.noise**2 * (1 + 1 / 30)
    assert draws.std(axis=0) == pytest.approx(np.sqrt(variances), rel=0.1)


@pytest.mark.parametrize("count", [8, 60])
def test_leave_one_out_errors_equal_refitting(count: int, sums: tuple[np.ndarray, ...]) -> None:
    X, y = sums[0][:count], sums[1][:count]
    predictor = LinearPredictor().fit(X, y)
    penalty = predictor._fitted().penalty
    left_out = []
    for index in range(count):
        keep = np.arange(count) != index
        centre, level = X[keep].mean(0), y[keep].mean()
        away = X[keep] - centre
        weights = np.linalg.solve(away.T @ away + penalty * np.eye(X.shape[1]), away.T @ (y[keep] - level))
        left_out.append(level + (X[index] - centre) @ weights)
    assert predictor.errors.mape == pytest.approx(np.mean(np.abs(left_out / y - 1)), rel=1e-6)


@pytest.mark.parametrize("count", [8, 60])
@pytest.mark.parametrize("spread", [0.5, 3.0, 12.0])
def test_weighted_leave_one_out_errors_equal_refitting(count: int, spread: float, sums: tuple[np.ndarray, ...]) -> None:
    """Weights differ by up to exp(24), so that some samples hardly count."""
    X, y = sums[0][:count], sums[1][:count]
    counts = np.exp(np.random.default_rng(1).uniform(-spread, spread, count))
    predictor = LinearPredictor().fit(X, y, counts)
    scaled = counts / np.median(counts)
    left_out = []
    for index in range(count):
        keep = np.arange(count) != index
        weights, level = ridge(X[keep], y[keep], scaled[keep], predictor._fitted().penalty)
        left_out.append(level + X[index] @ weights)
    assert predictor.errors.mape == pytest.approx(np.mean(np.abs(left_out / y - 1)), rel=1e-4)
    weights, level = ridge(X, y, scaled, predictor._fitted().penalty)
    np.testing.assert_allclose(predictor.predict(X)[0], X @ weights + level, rtol=1e-5)


def ridge(X: np.ndarray, y: np.ndarray, counts: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:  # noqa: N803
    """Weights and level that make ``sum(counts * error**2) + penalty * |weights|**2`` least."""
    columns = np.hstack([X, np.ones((len(X), 1))])
    gram = columns.T @ (columns * counts[:, None]) + np.diag([penalty] * X.shape[1] + [0])
    *weights, level = np.linalg.solve(gram, columns.T @ (counts * y))
    return np.array(weights), float(level)


@pytest.mark.parametrize("weight", [1.0, 7.5, 1e-9])
def test_equal_weights_are_no_weights(weight: float, sums: tuple[np.ndarray, ...]) -> None:
    X, y, X_new, _ = sums
    weighted, plain = LinearPredictor().fit(X, y, np.full(len(y), weight)), LinearPredictor().fit(X, y)
    for left, right in zip(weighted.predict(X_new), plain.predict(X_new), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9)
    assert weighted.errors.mape == pytest.approx(plain.errors.mape)


def test_a_sample_of_next_to_no_weight_does_not_move_the_fit(sums: tuple[np.ndarray, ...]) -> None:
    X, y, X_new, y_new = sums
    broken, weights = y.copy(), np.ones(len(y))
    broken[7], weights[7] = 1e3, 1e-12
    predictor = LinearPredictor().fit(X, broken, weights)
    assert np.abs(predictor.predict(X_new)[0] / y_new - 1).mean() < 0.02
    assert np.isfinite(predictor.predict(X_new)[1]).all()


def test_relative_weights_make_relative_errors_small() -> None:
    X = np.array([[0.0], [0.0], [0.0], [0.0], [1.0], [1.0], [1.0], [1.0]])
    y = np.array([0.9, 1.1, 1.0, 1.0, 90, 110, 100, 100])
    relative = LinearPredictor().fit(np.hstack([X, 1 - X]), y, 1 / y**2)
    assert abs(relative.predict([[0.0, 1.0]])[0][0] - 1) < 0.02


def test_noise_gets_a_larger_penalty_than_a_rule(sums: tuple[np.ndarray, ...]) -> None:
    X, y, *_ = sums
    noise = np.random.default_rng(1).normal(size=len(y))
    assert LinearPredictor().fit(X, noise)._fitted().penalty > LinearPredictor().fit(X, y)._fitted().penalty
    assert LinearPredictor().fit(X, noise).errors.spearman < 0.5


def test_spread_is_larger_for_what_was_never_seen(sums: tuple[np.ndarray, ...]) -> None:
    X, y, *_ = sums
    without = X[:, 3] == 0
    predictor = LinearPredictor().fit(X[without], y[without])
    _, spread = predictor.predict(X)
    assert spread[~without].min() > 2 * np.median(spread[without])


def test_constant_values_are_predicted() -> None:
    predictor = LinearPredictor().fit(np.eye(4), np.full(4, 2.5))
    mean, spread = predictor.predict(np.eye(4))
    np.testing.assert_allclose(mean, 2.5)
    np.testing.assert_allclose(spread, 0, atol=1e-9)
    assert predictor.errors.spearman == 0.0


def test_saved_and_loaded(tmp_path: Path, sums: tuple[np.ndarray, ...]) -> None:
    X, y, X_new, _ = sums
    predictor = LinearPredictor().fit(X, y)
    path = tmp_path / "deep" / "latency.json"
    predictor.save(path, GUARD)
    again = LinearPredictor.load(path, GUARD)
    for before, after in zip(predictor.predict(X_new), again.predict(X_new), strict=True):
        np.testing.assert_array_equal(before, after)
    assert again.errors == predictor.errors
    assert [each.name for each in path.parent.iterdir()] == ["latency.json"]


@pytest.mark.parametrize(
    ("guard", "match"),
    [
        (GUARD | {"target": "cpu-2"}, "fitted for target 'cpu-1', but 'cpu-2' is wanted"),
        ({"space": "abc", "target": "cpu-1"}, "input_shape '3x32x32', but None"),
        (GUARD | {"batch": "4"}, "batch None, but '4'"),
    ],
)
def test_another_guard_is_refused(guard: dict[str, str], match: str, tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    LinearPredictor().fit(np.eye(4), np.arange(4.0)).save(path, GUARD)
    with pytest.raises(UsageError, match=match):
        LinearPredictor.load(path, guard)


def test_damaged_files_get_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    with pytest.raises(UsageError, match="does not exist"):
        LinearPredictor.load(path, GUARD)
    LinearPredictor().fit(np.eye(4), np.arange(4.0)).save(path, GUARD)
    content = json.loads(path.read_text())
    del content["linear"]["weights"]
    for text in ("{", "[]", "{}", json.dumps(content), path.read_text()[:-20]):
        path.write_text(text)
        with pytest.raises(UsageError, match="is no saved linear predictor"):
            LinearPredictor.load(path, GUARD)


def test_mistakes_get_a_sentence() -> None:
    fitted = LinearPredictor().fit(np.eye(4), np.arange(4.0))
    for call, match in [
        (lambda: LinearPredictor().predict(np.eye(4)), "call fit"),
        (lambda: LinearPredictor().fit(np.eye(2), [1.0, 2.0]), "at least 3"),
        (lambda: LinearPredictor().fit(np.eye(4), [1.0, 2.0, 3.0]), "one for each encoding"),
        (lambda: LinearPredictor().fit(np.eye(4), [1.0, 2.0, 3.0, np.nan]), "finite"),
        (lambda: LinearPredictor().fit(np.eye(4), np.arange(4.0), [1.0, 1.0, 0.0, 1.0]), "positive and finite"),
        (lambda: LinearPredictor().fit(np.eye(4), np.arange(4.0), [1.0, 1.0, np.inf, 1.0]), "positive and finite"),
        (lambda: LinearPredictor().fit(np.eye(4), np.arange(4.0), np.ones(3)), r"weights of shape \(3,\) for 4 values"),
        (lambda: fitted.predict(np.eye(3)), "3 columns"),
        (lambda: fitted.predict(np.ones(4)), "finite matrix"),
    ]:
        with pytest.raises(UsageError, match=match):
            call()
