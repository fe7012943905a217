"""What every predictor promises, whichever it is."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import LinearPredictor, LookupPredictor, RegressionPredictor, TransferPredictor

GUARD = {"space": "abc", "target": "cpu-1", "input_shape": "3x32x32"}
CHOICES, OPTIONS = 5, 4
WIDTH = CHOICES * OPTIONS

Predictor = LinearPredictor | LookupPredictor | RegressionPredictor | TransferPredictor


def one_hot(seed: int, count: int) -> np.ndarray:
    indices = np.random.default_rng(seed).integers(0, OPTIONS, (count, CHOICES))
    return np.eye(OPTIONS)[indices].reshape(count, WIDTH)


def additive(X: np.ndarray) -> np.ndarray:  # noqa: N803
    return 1 + X @ np.random.default_rng(5).uniform(0.1, 1.0, WIDTH)


def transfer() -> TransferPredictor:
    rng = np.random.default_rng(3)
    X = one_hot(4, 200)
    devices = [(1 + X @ rng.uniform(0.1, 1.0, WIDTH)) * rng.uniform(0.5, 5) for _ in range(4)]
    return TransferPredictor(X, devices)


MAKERS: dict[str, Callable[[], Predictor]] = {
    "linear": LinearPredictor,
    "lookup": LookupPredictor,
    "regression": RegressionPredictor,
    "transfer": transfer,
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[], Predictor]:
    return MAKERS[request.param]


def test_shapes_and_types(make: Callable[[], Predictor]) -> None:
    X = one_hot(0, 60)
    predictor = make()
    assert predictor.fit(X, additive(X)) is predictor
    for count in (0, 1, 37):
        mean, spread = predictor.predict(one_hot(1, count))
        assert mean.shape == spread.shape == (count,)
        assert mean.dtype == spread.dtype == np.float64
        assert (spread >= 0).all()


def test_recovers_a_sum_of_parts(make: Callable[[], Predictor]) -> None:
    X, X_new = one_hot(0, 80), one_hot(1, 300)
    noise = np.random.default_rng(2).normal(0, 0.02, 80)
    predictor = make().fit(X, additive(X) + noise)
    mean, spread = predictor.predict(X_new)
    assert np.abs(mean / additive(X_new) - 1).mean() < 0.02
    assert predictor.errors.mape < 0.02
    assert predictor.errors.within_10pct == 1.0
    assert predictor.errors.spearman > 0.98
    assert 0.001 < np.median(spread / mean) < 0.05


def test_same_samples_same_predictor(make: Callable[[], Predictor]) -> None:
    X, X_new = one_hot(0, 120), one_hot(1, 50)
    y = additive(X) * np.random.default_rng(2).uniform(0.9, 1.1, 120)
    first, second = make().fit(X, y), make().fit(X, y)
    again = second.fit(X[:40], y[:40]).fit(X, y)
    for left, right in zip(first.predict(X_new), again.predict(X_new), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("count", [10, 150])
def test_saved_and_loaded_bit_for_bit(make: Callable[[], Predictor], count: int, tmp_path: Path) -> None:
    X, X_new = one_hot(0, count), one_hot(1, 100)
    predictor = make().fit(X, additive(X) * np.random.default_rng(2).uniform(0.9, 1.1, count))
    predictor.save(tmp_path / "deep" / "predictor", GUARD)
    again = type(predictor).load(tmp_path / "deep" / "predictor", GUARD)
    for before, after in zip(predictor.predict(X_new), again.predict(X_new), strict=True):
        np.testing.assert_array_equal(before, after)
    assert again.errors == predictor.errors
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["predictor"]


@pytest.mark.parametrize(
    ("guard", "match"),
    [
        (GUARD | {"target": "cpu-2"}, "fitted for target 'cpu-1', but 'cpu-2' is wanted"),
        (GUARD | {"space": "xyz"}, "fitted for space 'abc', but 'xyz' is wanted"),
        ({"space": "abc", "target": "cpu-1"}, "input_shape '3x32x32', but None"),
    ],
)
def test_another_guard_is_refused(
    make: Callable[[], Predictor], guard: dict[str, str], match: str, tmp_path: Path
) -> None:
    X = one_hot(0, 12)
    predictor = make().fit(X, additive(X))
    predictor.save(tmp_path / "predictor", GUARD)
    with pytest.raises(UsageError, match=match):
        type(predictor).load(tmp_path / "predictor", guard)


def test_damaged_files_get_a_sentence(make: Callable[[], Predictor], tmp_path: Path) -> None:
    path, X = tmp_path / "predictor", one_hot(0, 12)
    predictor = make().fit(X, additive(X))
    with pytest.raises(UsageError, match="does not exist"):
        type(predictor).load(path, GUARD)
    predictor.save(path, GUARD)
    whole = path.read_bytes()
    for content in (b"", b"{", b"[]", json.dumps({"guard": GUARD}).encode(), whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is no saved"):
            type(predictor).load(path, GUARD)


def test_a_pickle_is_not_opened(make: Callable[[], Predictor], tmp_path: Path) -> None:
    path = tmp_path / "predictor.npz"
    np.savez(path, transfer=np.array([print], dtype=object), known_X=np.array([print], dtype=object))
    with pytest.raises(UsageError, match="is no saved"):
        type(make()).load(path, GUARD)


def test_constant_values_are_predicted(make: Callable[[], Predictor]) -> None:
    X = one_hot(0, 40)
    predictor = make().fit(X, np.full(40, 2.5))
    mean, spread = predictor.predict(X)
    np.testing.assert_allclose(mean, 2.5, rtol=0.05)
    assert spread.max() < 0.25
    if not isinstance(predictor, TransferPredictor):
        np.testing.assert_allclose(mean, 2.5)


def test_three_samples_are_enough_to_answer(make: Callable[[], Predictor]) -> None:
    X = one_hot(0, 3)
    mean, _ = make().fit(X, additive(X)).predict(one_hot(1, 20))
    assert ((mean > 0) & (mean < 20)).all()


def test_mistakes_get_a_sentence(make: Callable[[], Predictor]) -> None:
    X = one_hot(0, 4)
    y = additive(X)
    fitted = make().fit(X, y)
    broken = X.copy()
    broken[0, 0] = np.nan
    for call, match in [
        (lambda: make().predict(X), "call fit"),
        (lambda: make().save("never-written", GUARD), "call fit"),
        (lambda: make().fit(X[:2], y[:2]), "at least 3"),
        (lambda: make().fit(X, y[:3]), "one for each encoding"),
        (lambda: make().fit(X, [*y[:3], np.nan]), "finite"),
        (lambda: make().fit(X, [*y[:3], np.inf]), "finite"),
        (lambda: make().fit(broken, y), "finite matrix"),
        (lambda: fitted.predict(broken), "finite matrix"),
        (lambda: fitted.predict(X[:, :3]), "3 columns"),
        (lambda: fitted.predict(X[0]), "finite matrix"),
    ]:
        with pytest.raises(UsageError, match=match):
            call()
    assert not Path("never-written").exists()
