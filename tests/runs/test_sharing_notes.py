"""What a run says of its banks."""

from typing import Any

import pytest

import nas
from nas.runs.sharing_notes import banks_notes, budget_notes, storage_notes, ties_notes
from nas.setup import Setup, resolve

VALUES: dict[str, Any] = {
    "space": "resnet_pooling",
    "space_args": {"blocks": 4, "widths": [4, 6, 8]},
    "method": "balanced-mixture",
    "data": "digits",
    "limit": 120,
    "candidates": 4,
    "random_baseline": 0,
    "training": {"epochs": 2, "batch_size": 16},
    "retrain": "no",
}


def notes(**values: Any) -> list[str]:
    setup = Setup(resolve({**VALUES, **values}, "test"))
    return budget_notes(setup.searched.sharing, setup.phases())


@pytest.mark.parametrize(
    ("sharing", "epochs", "told"),
    [
        ({"models": 2}, 2, "2.33"),
        ({"models": 2, "scores": "published"}, 2, "1.17"),
        ({"models": 3, "scores": "published"}, 50, "19.4"),
        ({"models": 2}, 43, None),
        ({"models": 2, "scores": "table"}, 2, None),
        ({"models": 1}, 2, None),
    ],
)
def test_scores_that_will_be_told_too_seldom_are_announced(
    sharing: dict[str, Any], epochs: int, told: str | None
) -> None:
    """Six placements, seven steps an epoch."""
    found = notes(sharing_args=sharing, training={"epochs": epochs, "batch_size": 16})
    start = f"Each of the 6 x {sharing['models']} scores by which banks are drawn will be told {told} times, and needs"
    assert [each.startswith(start) for each in found] == ([True] if told else [])


def test_steps_for_each_bank_are_counted() -> None:
    sharing = {"models": 2}
    assert notes(sharing_args=sharing, training={"epochs": 22, "batch_size": 16})
    assert not notes(sharing_args=sharing, training={"epochs": 22, "batch_size": 16}, method_args={"steps": "per-bank"})


def test_what_banks_became_is_said_in_a_sentence() -> None:
    found = {"tellings": 12.25, "own_share": 0.24, "changed_late": 0.64, "own_ahead": -0.012}
    (sentence,) = banks_notes([{}, {"paths_by_bank": [3, 4, 3, 4], "mixture": found}])
    assert sentence == (
        "Banks: a score was told 12.2 times; architectures had 24% of their steps in their final bank (chance 25%); "
        "64% of them changed it in the last tenth; there their validation score is -1.2 points against the other banks."
    )
    assert banks_notes([{"paths_by_bank": [14], "mixture": found}]) == []


def test_how_far_gates_and_experts_differ_is_said_in_a_sentence() -> None:
    (sentence,) = banks_notes([{}, {"routing": {"gates": 0.0325, "experts": 0.987}}])
    assert sentence == (
        "Experts: gates of two architectures differ in 3.2% of their weight (0% where routing takes no notice of "
        "them), and experts are 0.99 of their size apart (copies 0, unrelated weights 1)."
    )


def test_scores_that_were_never_told_are_announced() -> None:
    assert banks_notes([]) == banks_notes([{"untried_scores": 0.2}]) == []
    assert banks_notes([{"untried_scores": 0.3}])[0].startswith("30% of the scores")
    assert budget_notes(nas.sharing.Shared(), []) == []


def test_when_ties_are_decided_is_said() -> None:
    assert ties_notes(nas.sharing.Shared()) == []
    (sentence,) = ties_notes(nas.sharing.Tied())
    assert sentence.startswith("Which layers share weights is searched after the training, not learnt by it")


def test_a_file_of_more_parameters_than_are_stored_is_announced() -> None:
    best = {"file": {"name": "best.onnx"}, "params": 1000}
    assert storage_notes(best) == storage_notes({**best, "stored_params": 1000.0}) == []
    (sentence,) = storage_notes({**best, "stored_params": 400.0})
    assert sentence == (
        "best.onnx holds full weights, 1,000 parameters; where what layers share is kept once, with their differences, "
        "those of the supernet are 400 (stored_params)."
    )


def test_a_run_of_a_given_time_has_no_steps_for_each_bank() -> None:
    setup = Setup(resolve({**VALUES, "time": 60, "method_args": {"steps": "per-bank"}}, "test"))
    with pytest.raises(nas.UsageError, match="steps is per-bank, but the run is given its time"):
        setup.phases()
