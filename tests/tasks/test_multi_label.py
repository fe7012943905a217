"""Multi-label: figures as scikit-learn has them, influences, bootstrap, and targets that are none."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from nas.errors import UsageError
from nas.tasks import Forward, MultiLabel
from nas.tasks.precision_recall import average_precision, bootstrapped, influence


def drawn(seed: int, examples: int = 40, steps: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Scores, many of them equal, of which the third label knows something; and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.random((examples, 3)) < (0.2, 0.5, 0.7)
    return rng.integers(0, steps, (examples, 3)) + [0, 0, 4] * labels, labels


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    scores, labels = drawn(seed)
    logits = torch.from_numpy(scores - 4.5)
    tally = MultiLabel().tally()
    tally.add(logits, torch.from_numpy(labels).float())
    found = tally.metrics()
    assert found["mean_average_precision"] == pytest.approx(average_precision_score(labels, scores), rel=1e-9)
    assert found["f1"] == pytest.approx(f1_score(labels, scores > 4.5, average="macro"), rel=1e-9)


def test_a_label_that_nobody_has_is_left_out() -> None:
    scores, labels = drawn(0)
    alone = average_precision(scores[:, 1:], labels[:, 1:])
    labels[:, 0] = False
    assert average_precision(scores, labels) == alone
    assert influence(scores, labels).mean() == pytest.approx(alone)
    assert average_precision(scores, np.zeros_like(labels)) == 0
    assert bootstrapped(scores, np.zeros_like(labels)) == (0, 1)
    assert influence(scores, np.zeros_like(labels)).tolist() == [0] * 40


def test_the_influence_of_an_example_is_what_counting_it_more_would_change() -> None:
    scores, labels = drawn(1)
    whole, count, more = average_precision(scores, labels), 500, 1
    influences = influence(scores, labels)
    assert influences.mean() == pytest.approx(whole)
    for place in range(0, 40, 7):
        times = np.full(40, count)
        times[place] += more
        changed = average_precision(np.repeat(scores, times, 0), np.repeat(labels, times, 0))
        assert (changed - whole) * count / more * 40 == pytest.approx(influences[place] - whole, abs=0.02)


def test_the_spread_of_influences_is_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((500, 4)) < 0.3
    scores = rng.normal(size=(500, 4)) + labels
    low, high = bootstrapped(scores, labels)
    error = influence(scores, labels).std() / 500**0.5
    assert (high - low) / (2 * 1.96) == pytest.approx(error, rel=0.15)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(0), 0

    def data(examples: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.random((examples, 2)) < 0.4
        return rng.normal(size=(examples, 2)) + labels, labels

    truth = average_precision(*data(200_000))
    for _ in range(150):
        low, high = bootstrapped(*data(150))
        covered += low < truth < high
    assert 0.88 < covered / 150 <= 0.99


def test_the_interval_is_the_same_each_time_and_in_parts_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels = drawn(2)
    whole = bootstrapped(scores, labels)
    assert bootstrapped(scores, labels) == whole
    monkeypatch.setattr("nas.tasks.precision_recall._AT_ONCE", 40 * 7)
    assert bootstrapped(scores, labels) == pytest.approx(whole)


def test_smoothed_labels_move_towards_one_half() -> None:
    output, target = torch.randn(5, 2), torch.tensor([[0.0, 1.0]]).expand(5, 2)
    smoothed = MultiLabel().loss(label_smoothing=0.2)(Forward(output, target, "any", {}))
    soft = MultiLabel().loss()(Forward(output, torch.tensor([[0.1, 0.9]]).expand(5, 2), "any", {}))
    assert smoothed is not None and soft is not None
    torch.testing.assert_close(smoothed, soft)


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        (np.array([[0, 1], [1, 2]]), "it holds .*2.* for label 1 of example 1; give 0 or 1, or booleans."),
        (np.zeros((3, 2)), r"it holds targets of shape \(3, 2\) for 2 examples"),
        (np.zeros((2, 3)), "it holds 3 targets for each example, but the task names 2"),
    ],
)
def test_targets_that_are_none_are_refused(targets: np.ndarray, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        MultiLabel(["cat", "dog"]).check_targets(targets, 2, "it")


def test_labels_that_cannot_be_learnt_are_refused_and_those_that_cannot_be_judged_told() -> None:
    fine = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    splits = {"train": fine, "validation": fine, "test": fine}
    assert MultiLabel().check_splits("mine", splits) == []
    for value, whose in ((0.0, "none of them has"), (1.0, "all of them have")):
        with pytest.raises(UsageError, match=f"examples of 'mine' do not teach label 0, since {whose} it"):
            MultiLabel().check_splits("mine", {**splits, "train": torch.tensor([[value, 0.0], [value, 1.0]])})
    (note,) = MultiLabel().check_splits("mine", {**splits, "test": fine[:1]})
    assert note == "The test split of 'mine' has no example of label 0; its figures leave it out."
    with pytest.raises(UsageError, match="No example of the validation split of 'mine' has any label"):
        MultiLabel().check_splits("mine", {**splits, "validation": 0 * fine})
