"""Which rows are measured next."""

import numpy as np
import pytest

from nas.errors import UsageError
from nas.predictors import choose_diverse, choose_uncertain


def one_hot(seed: int, count: int) -> np.ndarray:
    return np.eye(4)[np.random.default_rng(seed).integers(0, 4, (count, 5))].reshape(count, -1)


def test_the_row_furthest_from_what_is_known_comes_first() -> None:
    known = np.random.default_rng(0).normal(0, 1, (50, 3))
    X = np.random.default_rng(1).normal(0, 1, (30, 3))
    X[17] = [8.0, -8.0, 8.0]
    assert choose_uncertain(X, known, 1).tolist() == [17]


def test_a_candidate_that_was_never_measured_comes_first() -> None:
    X = np.eye(3)[[0, 1, 0, 1, 2, 1, 0]]
    assert choose_uncertain(X, np.eye(3)[[0, 1] * 10], 1).tolist() == [4]


def test_the_variance_is_that_of_ridge_after_every_choice() -> None:
    X, known = one_hot(0, 40), one_hot(1, 15)
    chosen = choose_uncertain(X, known, 6)
    everything = np.vstack([X, known])
    scales = np.where(everything.std(0) > 0, everything.std(0), 1)
    features, measured = (X - everything.mean(0)) / scales, (known - everything.mean(0)) / scales
    for place in range(6):
        seen = np.vstack([measured, features[chosen[:place]]])
        covariance = np.linalg.inv(seen.T @ seen + np.eye(20))
        variance = np.einsum("nd,de,ne->n", features, covariance, features)
        variance[chosen[:place]] = -1
        assert variance[chosen[place]] == pytest.approx(variance.max())


def test_equal_rows_are_chosen_after_all_others() -> None:
    far, near = np.full((3, 4), 9.0), np.random.default_rng(0).normal(0, 0.1, (5, 4))
    chosen = choose_uncertain(np.vstack([far, near]), near[:2] + 0.01, 8).tolist()
    assert chosen[0] == 0
    assert set(chosen[1:6]) == {3, 4, 5, 6, 7}
    assert set(chosen) == set(range(8)), "all are chosen where all are asked for"


def test_known_rows_are_chosen_after_all_others() -> None:
    X = np.vstack([np.full((1, 3), 9.0), np.random.default_rng(0).normal(0, 0.1, (4, 3))])
    assert choose_uncertain(X, X[:1], 5).tolist()[-1] == 0


def test_nothing_known_and_nothing_asked() -> None:
    X = one_hot(0, 10)
    assert len(set(choose_uncertain(X, np.zeros((0, 20)), 10).tolist())) == 10
    assert choose_uncertain(X, X[:2], 0).shape == (0,)
    assert choose_uncertain(np.ones((4, 2)), np.ones((1, 2)), 4).tolist() == [0, 1, 2, 3], "constant columns"


def test_diverse_rows_differ_and_depend_on_the_seed_alone() -> None:
    X = np.vstack([one_hot(0, 30)] * 2)
    chosen = choose_diverse(X, 20, seed=1)
    assert len({row.tobytes() for row in X[chosen]}) == 20
    assert chosen.tolist() == choose_diverse(X, 20, seed=1).tolist()
    assert chosen.tolist() != choose_diverse(X, 20, seed=2).tolist()


def test_mistakes_get_a_sentence() -> None:
    X = one_hot(0, 5)
    for call, match in [
        (lambda: choose_uncertain(X, X, 6), "asked for 6 of 5 rows"),
        (lambda: choose_uncertain(X, X, -1), "asked for -1 of 5 rows"),
        (lambda: choose_uncertain(X, X[:, :3], 1), "rows of 20 columns, but known ones of 3; encode both alike"),
        (lambda: choose_uncertain(X[0], X, 1), "finite matrix"),
        (lambda: choose_uncertain(X, X * np.nan, 1), "finite matrix"),
        (lambda: choose_diverse(X, 6, 0), "asked for 6 of 5 rows"),
        (lambda: choose_diverse(X, 0, 0), "asked for 0 of 5 rows"),
    ]:
        with pytest.raises(UsageError, match=match):
            call()
