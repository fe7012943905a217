import time
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import LinearPredictor, RegressionPredictor
from nas.predictors.trees import BoostedTrees, fit_trees

GUARD = {"space": "abc", "target": "cpu-1"}


def one_hot(seed: int, count: int, choices: int = 6, options: int = 5) -> np.ndarray:
    return np.eye(options)[np.random.default_rng(seed).integers(0, options, (count, choices))].reshape(count, -1)


def interacting(X: np.ndarray) -> np.ndarray:  # noqa: N803
    """A sum of parts, and 6 more wherever the first two choices take their first options, or their second."""
    return 3 + X @ np.random.default_rng(7).uniform(0.1, 1.0, X.shape[1]) + 6 * (X[:, 0] * X[:, 5] + X[:, 1] * X[:, 6])


def test_finds_an_interaction_that_a_sum_cannot_hold() -> None:
    X, X_new = one_hot(0, 400), one_hot(1, 500)
    predictor = RegressionPredictor().fit(X, interacting(X))
    assert predictor.kind.startswith("pairs")
    error = np.abs(predictor.predict(X_new)[0] / interacting(X_new) - 1).mean()
    linear = np.abs(LinearPredictor().fit(X, interacting(X)).predict(X_new)[0] / interacting(X_new) - 1).mean()
    assert error < 0.01
    assert linear > 0.1


def test_products_of_parts_are_found_in_the_logarithm() -> None:
    X, X_new = one_hot(0, 80), one_hot(1, 300)
    weights = np.random.default_rng(2).uniform(-0.7, 0.7, X.shape[1])
    predictor = RegressionPredictor().fit(X, np.exp(X @ weights))
    assert predictor.kind == "ridge on logarithms"
    np.testing.assert_allclose(predictor.predict(X_new)[0], np.exp(X_new @ weights), rtol=0.05)


def test_steps_of_a_feature_are_found_by_trees(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flops = rng.uniform(0, 10, (600, 2))
    y = 1 + (flops[:, 0] > 4) * 3.0 + (flops[:, 0] > 7) * (flops[:, 1] < 5) * 4.0
    predictor = RegressionPredictor(one_hot=0).fit(flops[:400], y[:400])
    assert predictor.kind.startswith("trees")
    assert np.abs(predictor.predict(flops[400:])[0] / y[400:] - 1).mean() < 0.05
    predictor.save(tmp_path / "trees.json", GUARD)
    again = RegressionPredictor.load(tmp_path / "trees.json", GUARD)
    assert (again.kind, again.one_hot) == (predictor.kind, 0)
    np.testing.assert_array_equal(again.predict(flops)[0], predictor.predict(flops)[0])


def test_analytic_features_are_used() -> None:
    X, feature = one_hot(0, 300), np.random.default_rng(3).uniform(1, 1e9, (300, 1))
    y = 1 + 4e-9 * feature[:, 0] + X[:, 0]
    predictor = RegressionPredictor(one_hot=30).fit(np.hstack([X, feature])[:200], y[:200])
    np.testing.assert_allclose(predictor.predict(np.hstack([X, feature])[200:])[0], y[200:], rtol=0.02)


def explained(seed: int, count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Thirty one-hot columns that say nothing and three features of which latency is a sum, with relative noise."""
    rng = np.random.default_rng(seed)
    X = np.hstack([one_hot(seed, count), rng.uniform(0.1, 10, (count, 3)) * [1e6, 1, 1e-3]])
    return X, (0.2 + X[:, 30:] @ [1e-6, 0.5, 200]) * rng.normal(1, noise, count)


def test_features_alone_are_chosen_where_they_explain_and_samples_are_few(tmp_path: Path) -> None:
    X, y = explained(0, 16, 0.03)
    X_new, y_new = explained(1, 300, 0.0)
    predictor = RegressionPredictor(one_hot=30).fit(X, y)
    assert predictor.kind.startswith("features on ")
    assert np.abs(predictor.predict(X_new)[0] / y_new - 1).mean() < 0.05
    scrambled = X_new.copy()
    scrambled[:, :30] = one_hot(5, 300)
    np.testing.assert_array_equal(predictor.predict(scrambled)[0], predictor.predict(X_new)[0])
    mistaken = RegressionPredictor(one_hot=33).fit(X, y)
    assert not mistaken.kind.startswith("features"), "without features there are none to choose"


def test_relative_errors_are_the_target_where_noise_is_relative() -> None:
    """Values over two orders of magnitude with noise of 10 %: the large ones would drown the small ones."""
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(0, 5, (80, 2)))
    noisy = (1 + size @ [0.5, 0.3]) * rng.normal(1, 0.1, 80)
    predictor = RegressionPredictor(one_hot=0).fit(size, noisy)
    assert predictor.kind == "ridge on relative errors"
    np.testing.assert_allclose(predictor.predict(size)[0], 1 + size @ [0.5, 0.3], rtol=0.1)


def saved(kind: str) -> tuple[RegressionPredictor, np.ndarray]:
    """A predictor that chose this kind and target, and encodings."""
    X = one_hot(0, 400)
    match kind:
        case "pairs on values":
            return RegressionPredictor().fit(X, interacting(X)), X
        case "ridge on logarithms":
            weights = np.random.default_rng(2).uniform(-0.7, 0.7, X.shape[1])
            return RegressionPredictor().fit(X[:80], np.exp(X[:80] @ weights)), X
        case "ridge on relative errors":
            rng = np.random.default_rng(0)
            size = np.exp(rng.uniform(0, 5, (80, 2)))
            return RegressionPredictor(one_hot=0).fit(size, (1 + size @ [0.5, 0.3]) * rng.normal(1, 0.1, 80)), size
        case "features":
            X, y = explained(0, 16, 0.03)
            return RegressionPredictor(one_hot=30).fit(X, y), X
        case _:
            steps = np.random.default_rng(0).uniform(0, 10, (400, 2))
            y = 1 + (steps[:, 0] > 4) * 3.0 + (steps[:, 0] > 7) * (steps[:, 1] < 5) * 4.0
            return RegressionPredictor(one_hot=0).fit(steps, y), steps


@pytest.mark.parametrize(
    "kind", ["pairs on values", "ridge on logarithms", "ridge on relative errors", "features", "trees"]
)
def test_every_kind_is_saved_and_loaded_bit_for_bit(kind: str, tmp_path: Path) -> None:
    predictor, X = saved(kind)
    assert predictor.kind.startswith(kind)
    predictor.save(tmp_path / "model", GUARD)
    again = RegressionPredictor.load(tmp_path / "model", GUARD)
    assert (again.kind, again.one_hot, again.errors) == (predictor.kind, predictor.one_hot, predictor.errors)
    for before, after in zip(predictor.predict(X), again.predict(X), strict=True):
        np.testing.assert_array_equal(before, after)


def test_values_of_both_signs_are_learnt() -> None:
    X, X_new = one_hot(0, 90), one_hot(1, 200)
    weights = np.random.default_rng(2).normal(size=X.shape[1])
    mean, spread = RegressionPredictor().fit(X, X @ weights).predict(X_new)
    assert mean.min() < 0 < mean.max()
    np.testing.assert_allclose(mean, X_new @ weights, atol=0.1)
    assert (spread > 0).all()


def test_spread_covers_the_noise_and_grows_off_the_data() -> None:
    X, X_new = one_hot(0, 200), one_hot(1, 500)
    weights, rng = np.random.default_rng(2).uniform(0.5, 1.0, 30), np.random.default_rng(3)
    predictor = RegressionPredictor().fit(X, (X @ weights) * rng.normal(1, 0.05, 200))
    mean, spread = predictor.predict(X_new)
    truth = (X_new @ weights) * rng.normal(1, 0.05, 500)
    assert 0.6 < np.mean(np.abs(mean - truth) < spread) < 0.76  # a normal law has 0.68 within one deviation
    without = X[:, 3] == 0
    mean, spread = RegressionPredictor().fit(X[without], (X @ weights)[without]).predict(X)
    assert (spread / mean)[~without].min() > (spread / mean)[without].max()


@pytest.mark.slow
def test_a_million_rows_within_ten_seconds() -> None:
    X = one_hot(0, 900)
    many = np.tile(one_hot(1, 1000), (1000, 1))
    for y, kind in [(interacting(X), "pairs"), (1 + (X[:, 0] + X[:, 5] + X[:, 10] + X[:, 15] + X[:, 20] > 1), "trees")]:
        predictor = RegressionPredictor(one_hot=30 if kind == "pairs" else 0).fit(X, y)
        assert predictor.kind.startswith(kind)
        start = time.perf_counter()
        mean, _ = predictor.predict(many)
        assert time.perf_counter() - start < 10
        np.testing.assert_array_equal(mean[:1000], mean[-1000:])


def test_folds_below_two_are_refused() -> None:
    with pytest.raises(UsageError, match="folds is 1"):
        RegressionPredictor(folds=1)


def test_one_tree_gives_the_shrunken_means_of_its_leaves() -> None:
    X = np.array([[0.0], [0.0], [1.0], [1.0], [1.0]])
    y = np.array([1.0, 3.0, 10.0, 10.0, 11.0])
    tree = fit_trees(X, y, trees=1, depth=1, rate=1.0, shrinkage=1.0)
    low, high = tree.predict(np.array([[0.4], [0.6]]))
    assert low == pytest.approx(7 + (2 - 7) * 2 / 3, rel=1e-6)
    assert high == pytest.approx(7 + (31 / 3 - 7) * 3 / 4, rel=1e-6)


def test_trees_that_do_not_fit_together_are_refused() -> None:
    state = fit_trees(np.arange(8.0)[:, None], np.arange(8.0), trees=2, depth=2).state()
    state["leaves"] = state["leaves"][:1]
    with pytest.raises(ValueError, match="leaves of shape"):
        BoostedTrees.from_state(state)
