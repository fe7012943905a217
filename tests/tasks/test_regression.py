"""Regression: figures as scikit-learn has them, an interval that covers, and targets that are none."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from nas.errors import UsageError
from nas.tasks import Regression
from nas.tasks.intervals import positive_mean_interval


@pytest.mark.parametrize("numbers", [1, 4])
def test_figures_are_those_of_scikit_learn(numbers: int) -> None:
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(50, numbers, generator=generator)
    said = true + 0.5 * torch.randn(50, numbers, generator=generator)
    tally = Regression().tally()
    tally.add(said, true)
    found = tally.metrics()
    assert found["rmse"] == pytest.approx(mean_squared_error(true, said) ** 0.5, rel=1e-6)
    assert found["loss"] == pytest.approx(mean_squared_error(true, said), rel=1e-6)
    assert found["mae"] == pytest.approx(mean_absolute_error(true, said), rel=1e-6)
    assert found["r2"] == pytest.approx(r2_score(true, said), rel=1e-6)
    assert tally.score == pytest.approx(1 / (2 - found["r2"]))


def test_the_interval_of_the_error_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(600):
        low, high = positive_mean_interval(rng.normal(size=100) ** 2)
        covered += low**0.5 < 1.0 < high**0.5
    assert 0.91 < covered / 600 < 0.98


def test_a_perfect_network_has_no_error_at_all() -> None:
    tally, true = Regression().tally(), torch.arange(4.0)[:, None]
    tally.add(true, true)
    found = tally.metrics()
    assert [found[name] for name in ("rmse", "rmse_low", "rmse_high", "mae", "r2")] == [0, 0, 0, 0, 1]


def test_a_number_that_is_always_the_same_is_met_or_not() -> None:
    for said, score in ((1.0, 1.0), (2.0, 0.5)):
        tally = Regression().tally()
        tally.add(torch.full((3, 1), said), torch.ones(3, 1))
        assert tally.score == score


def test_one_number_each_becomes_a_column() -> None:
    assert Regression().check_targets([1, 2.5], 2, "it").tolist() == [[1.0], [2.5]]


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        (np.array(["a", "b"]), "it holds targets of type <U1; give numbers."),
        (np.array([1.0, np.nan]), r"it holds target \[nan\] at position 1; give finite numbers."),
        (np.zeros((2, 2, 2)), r"it holds targets of shape \(2, 2, 2\) for 2 examples; give one number, or a row"),
        (np.zeros(3), r"it holds targets of shape \(3,\) for 2 examples"),
        (np.zeros((2, 3)), "it holds 3 targets for each example, but the task names 2; name each of them, or none."),
    ],
)
def test_targets_that_are_none_are_refused(targets: np.ndarray, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Regression(["x", "y"]).check_targets(targets, 2, "it")


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(UsageError, match="it holds no example; give a set with examples"):
        Regression().check_targets([], 0, "it")


def test_what_is_constant_cannot_be_learnt_and_what_is_far_off_is_told() -> None:
    fine = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    assert Regression().check_splits("mine", {"train": fine}) == []
    with pytest.raises(UsageError, match="Every training target of 'mine' is 7 in number 1, so there is nothing to"):
        Regression().check_splits("mine", {"train": torch.stack([fine[:, 0], torch.full((20,), 7.0)], 1)})
    (note,) = Regression().check_splits("mine", {"train": 1e5 + 1000 * fine})
    assert note.startswith("Targets of 'mine' have mean 1e+05 and spread ") and "subtract and divide" in note


def test_teachers_do_not_vote_on_numbers() -> None:
    with pytest.raises(UsageError, match="teachers vote for one of several answers, but regression has none"):
        Regression().votes(torch.zeros(1, 1))
