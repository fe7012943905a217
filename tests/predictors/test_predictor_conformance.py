"""Our predictors keep to what every predictor must do, and say what is wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import LinearPredictor, LookupPredictor, Predictor, RegressionPredictor, TransferPredictor
from nas.testing import PredictorSuite

GUARD = {"space": "abc", "target": "cpu-1", "input_shape": "3x32x32"}
CHOICES, OPTIONS = 5, 4
WIDTH = CHOICES * OPTIONS


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


class TestEveryPredictor(PredictorSuite):
    @pytest.fixture(autouse=True)
    def predictor(self, make: Callable[[], Predictor]) -> None:
        self.make = make


@pytest.mark.parametrize("make", [LinearPredictor, LookupPredictor, RegressionPredictor])
def test_constant_values_are_predicted_exactly(make: Callable[[], Predictor]) -> None:
    X = one_hot(0, 40)
    np.testing.assert_allclose(make().fit(X, np.full(40, 2.5)).predict(X)[0], 2.5)


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


def test_a_missing_and_a_damaged_file_get_a_sentence(make: Callable[[], Predictor], tmp_path: Path) -> None:
    path = tmp_path / "predictor"
    with pytest.raises(UsageError, match="does not exist"):
        type(make()).load(path, GUARD)
    path.write_text("{")
    with pytest.raises(UsageError, match="is no saved"):
        type(make()).load(path, GUARD)


def test_a_pickle_is_not_opened(make: Callable[[], Predictor], tmp_path: Path) -> None:
    path = tmp_path / "predictor.npz"
    np.savez(path, transfer=np.array([print], dtype=object), known_X=np.array([print], dtype=object))
    with pytest.raises(UsageError, match="is no saved"):
        type(make()).load(path, GUARD)


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
