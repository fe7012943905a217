from pathlib import Path

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import LinearPredictor, TransferPredictor, choose_diverse
from nas.predictors.samples import rank_correlation
from nas.predictors.transfer import _prior

GUARD = {"space": "abc", "target": "board"}


def one_hot(seed: int, count: int, choices: int = 6, options: int = 5) -> np.ndarray:
    return np.eye(options)[np.random.default_rng(seed).integers(0, options, (count, choices))].reshape(count, -1)


def family(seed: int, X: np.ndarray, directions: int, devices: int) -> np.ndarray:  # noqa: N803
    """Latencies ``[devices, n]`` whose coefficients lie on a few directions, each device at its own scale."""
    rng = np.random.default_rng(seed)
    basis = rng.uniform(0.0, 1.0, (directions, X.shape[1]))
    mixes = rng.uniform(0.1, 1.0, (devices, directions)) * 10 ** rng.uniform(-1, 2, (devices, 1))
    return mixes @ (0.3 + basis @ X.T)


def test_recovers_a_scaled_and_shifted_device_from_ten_samples() -> None:
    X = one_hot(0, 1000)
    f = 1 + X @ np.random.default_rng(1).uniform(0, 1, X.shape[1])
    scales = [(1.0, 0.0), (3.0, 2.0), (0.2, 1.0), (10.0, -5.0), (2.0, 0.5)]
    known = [a * f[:300] + b for a, b in scales]
    transfer = TransferPredictor(X[:300], known)
    few = transfer.choose(X, 10, seed=0)
    y = 7 * f + 9
    mean, spread = transfer.fit(X[few], y[few]).predict(X)
    assert rank_correlation(mean, y) > 0.99
    assert np.abs(mean / y - 1).max() < 0.05
    assert (spread > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_ten_samples_of_a_low_rank_family_beat_a_model_without_transfer(seed: int) -> None:
    X = one_hot(seed, 1500)
    latencies = family(seed, X, directions=3, devices=9)
    transfer = TransferPredictor(X[:500], latencies[:8, :500])
    few, new = transfer.choose(X, 10, seed), latencies[8]
    mean, _ = transfer.fit(X[few], new[few]).predict(X)
    alone, _ = LinearPredictor().fit(X[few], new[few]).predict(X)
    assert rank_correlation(mean, new) > 0.97
    assert rank_correlation(alone, new) < 0.9


def test_multiplicative_devices_are_learnt_in_the_logarithm() -> None:
    X = one_hot(0, 600)
    rng = np.random.default_rng(2)
    basis = rng.normal(0, 0.25, (2, 30))
    latencies = np.exp(rng.uniform(0.5, 1.5, (7, 2)) @ basis @ X.T + rng.normal(0, 1, (7, 1)))
    transfer = TransferPredictor(X[:300], latencies[:6, :300])
    few = transfer.choose(X, 12, seed=0)
    mean, _ = transfer.fit(X[few], latencies[6, few]).predict(X)
    assert np.abs(mean / latencies[6] - 1).mean() < 0.05


def test_many_samples_teach_what_no_known_device_has() -> None:
    X = one_hot(0, 1500)
    latencies = family(0, X, directions=2, devices=5)
    stranger = 1 + X @ np.random.default_rng(9).uniform(0, 1, 30)
    transfer = TransferPredictor(X[:400], latencies[:, :400])
    assert np.abs(transfer.fit(X[500:900], stranger[500:900]).predict(X[900:])[0] / stranger[900:] - 1).mean() < 0.02


def test_left_out_errors_equal_refitting() -> None:
    X = one_hot(0, 300)
    latencies = family(1, X, directions=3, devices=5)
    transfer = TransferPredictor(X, latencies[:4])
    y = latencies[4, :12] * np.random.default_rng(0).uniform(0.9, 1.1, 12)
    fit = transfer.fit(X[:12], y)._fitted()
    assert not fit.settings.log
    design, relative = transfer._design(X[:12]), y / fit.posterior.level
    mean, covariance = _prior(transfer._coefficients[False], fit.settings.freedom)
    left_out = []
    for index in range(12):
        keep = np.arange(12) != index
        inner = design[keep] @ covariance @ design[keep].T + fit.settings.noise**2 * np.eye(11)
        step = covariance @ design[keep].T @ np.linalg.solve(inner, relative[keep] - design[keep] @ mean)
        left_out.append(design[index] @ (mean + step))
    assert fit.errors.mape == pytest.approx(np.abs(np.array(left_out) / relative - 1).mean(), rel=1e-6)


def test_a_loaded_predictor_fits_the_next_device(tmp_path: Path) -> None:
    X = one_hot(0, 200)
    latencies = family(1, X, directions=3, devices=6)
    transfer = TransferPredictor(X, latencies[:4], ["a", "a", "b", "c"]).fit(X[:10], latencies[4, :10])
    transfer.save(tmp_path / "board.npz", GUARD)
    again = TransferPredictor.load(tmp_path / "board.npz", GUARD)
    assert again.groups == ["a", "a", "b", "c"]
    left, right = (each.fit(X[:10], latencies[5, :10]).predict(X)[0] for each in (transfer, again))
    np.testing.assert_array_equal(left, right)


def test_diverse_rows_are_different_repeatable_and_cover_every_direction() -> None:
    X = np.repeat(np.eye(8), [100, 1, 1, 1, 1, 1, 1, 1], axis=0) * 3
    chosen = choose_diverse(X, 8, seed=1)
    assert len(set(X[chosen].argmax(1))) == 8
    np.testing.assert_array_equal(chosen, choose_diverse(X, 8, seed=1))
    assert len(set(choose_diverse(X, 60, seed=2).tolist())) == 60
    everything = choose_diverse(X, len(X), seed=0)
    assert sorted(everything.tolist()) == list(range(len(X)))


def test_chosen_samples_teach_more_than_random_ones() -> None:
    X = one_hot(0, 2000)
    errors = {"chosen": 0.0, "random": 0.0}
    for seed in range(6):
        noise = np.random.default_rng(seed)
        latencies = family(seed, X, directions=4, devices=9)
        transfer = TransferPredictor(X[:500], latencies[:8, :500])
        new = latencies[8] * noise.normal(1, 0.03, 2000)
        for name, few in [("chosen", transfer.choose(X, 8, seed)), ("random", noise.permutation(2000)[:8])]:
            errors[name] += np.abs(transfer.fit(X[few], new[few]).predict(X)[0] / latencies[8] - 1).mean()
    assert errors["chosen"] < errors["random"]


def test_mistakes_about_known_devices_get_a_sentence() -> None:
    X = one_hot(0, 20)
    y = np.ones((2, 20)) + X[:, 0]
    fitted = TransferPredictor(X, y)
    for call, match in [
        (lambda: TransferPredictor(X, y[:1]), "2 or more devices"),
        (lambda: TransferPredictor(X, y[:, :5]), "devices, n"),
        (lambda: TransferPredictor(X, -y), "positive"),
        (lambda: TransferPredictor(X, np.where(X[:, 0] > 0, np.nan, y)), "positive"),
        (lambda: TransferPredictor(X, y, ["a"]), "groups has 1 names"),
        (lambda: TransferPredictor(X, y, ["a", "a"]), "two platforms"),
        (lambda: fitted.fit(X[:4], [1.0, 2.0, 0.0, 1.0]), "latency of 0.0"),
        (lambda: fitted.choose(X, 21, seed=0), "21 of 20 rows"),
        (lambda: choose_diverse(X, 0, seed=0), "0 of 20 rows"),
    ]:
        with pytest.raises(UsageError, match=match):
            call()
