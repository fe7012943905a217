"""What is said of a ranking as a whole: all of it, always, and no more than the numbers bear."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nas.errors import UsageError
from nas.evaluation.ranking import (
    Estimate,
    Ranking,
    agreement,
    best_rank,
    equal_cost,
    precision_at,
    rank,
    regret,
    sparse_tau,
    tau,
    tau_within_strata,
    weighted_tau,
)

N = 120


@pytest.fixture
def known() -> dict[str, np.ndarray]:
    """Two trainings of 120 architectures whose quality is half a matter of their cost."""
    rng = np.random.default_rng(0)
    cost = rng.integers(0, 8, N).astype(float)
    quality = cost + rng.normal(0, 2, N)
    trainings = (80 + quality + rng.normal(0, 0.5, (2, N))).T
    return {"cost": cost, "trainings": trainings, "truth": trainings.mean(axis=1), "luck": rng.normal(0, 1, N)}


def evaluated(scores: np.ndarray, known: dict[str, np.ndarray], **more: Any) -> Ranking:
    costs = {"flops": known["cost"], "params": -known["cost"]}
    return rank(scores, known["trainings"], costs, **{"threshold": 0.1, "samples": 40, **more})


def test_everything_is_told_together_and_as_the_measures_say(known: dict[str, np.ndarray]) -> None:
    scores, truth, cost = known["truth"] + known["luck"], known["truth"], known["cost"]
    found = evaluated(scores, known)
    assert (found.count, found.trainings, found.threshold) == (N, 2, 0.1)
    assert found.tau.value == tau(scores, truth)
    assert found.sparse_tau.value == sparse_tau(scores, truth, 0.1)
    assert found.weighted_tau.value == weighted_tau(scores, truth)
    assert found.precision == {k: precision_at(scores, truth, k) for k in (1, 5, 10)}
    assert found.regret == {k: regret(scores, truth, k) for k in (1, 5, 10)}
    assert found.best_rank == {k: best_rank(scores, truth, k) for k in (1, 5, 10)}
    assert found.costs["flops"].tau.value == tau(cost, truth) == -found.costs["params"].tau.value
    assert found.costs["flops"].gain.value == tau(scores, truth) - tau(cost, truth)
    assert found.costs["flops"].within.value == tau_within_strata(scores, truth, equal_cost(cost).labels)
    assert found.ceiling is not None and found.ceiling.value == agreement(known["trainings"].T).mean
    for estimate in (found.tau, found.sparse_tau, found.weighted_tau, found.ceiling, found.costs["flops"].within):
        assert estimate.low < estimate.value < estimate.high
    assert json.loads(json.dumps(found.record(), allow_nan=False)) == found.record()
    assert set(found.record()) == {*vars(found), "verdict", "outcome", "judgeable"}


def test_scores_that_follow_the_truth_are_better_than_counting(known: dict[str, np.ndarray]) -> None:
    found = evaluated(known["truth"] + 0.3 * known["luck"], known)
    assert (found.judgeable, found.outcome) == (True, "better")
    assert found.verdict.startswith("The supernet ranks better than FLOPs or parameters alone: tau 0.")
    assert f"against {found.costs['flops'].tau.value:.2f} by FLOPs and -0." in found.verdict


def test_scores_that_count_are_not_shown_to_be_better_than_counting(known: dict[str, np.ndarray]) -> None:
    found = evaluated(known["cost"], known)
    assert found.tau.low > 0.3 and found.outcome == "undecided"
    assert found.verdict.startswith("It is not shown that the supernet ranks better than FLOPs alone: tau ")


def test_luck_is_worse_than_counting(known: dict[str, np.ndarray]) -> None:
    found = evaluated(known["luck"], known)
    assert found.outcome == "worse"
    assert found.verdict.startswith("The supernet ranks worse than FLOPs alone: tau ")


SURE, MAYBE = Estimate(0.1, 0.05, 0.2), Estimate(0.1, -0.05, 0.2)
LESS, HARDLY = Estimate(-0.1, -0.2, -0.05), Estimate(-0.1, -0.2, 0.05)


@pytest.mark.parametrize(
    ("gains", "outcome"),
    [
        ((SURE, SURE), "better"),
        ((SURE, MAYBE), "undecided"),
        ((SURE, HARDLY), "undecided"),
        ((SURE, LESS), "worse"),
        ((MAYBE, MAYBE), "undecided"),
    ],
)
def test_only_an_interval_without_zero_decides_and_every_cost_counts(
    gains: tuple[Estimate, Estimate], outcome: str, known: dict[str, np.ndarray]
) -> None:
    found = evaluated(known["luck"], known, samples=2)
    costs = zip(found.costs.items(), gains, strict=True)
    changed = replace(found, costs={name: replace(cost, gain=gain) for (name, cost), gain in costs})
    assert changed.outcome == outcome


def test_a_truth_that_disagrees_with_itself_judges_nothing(known: dict[str, np.ndarray]) -> None:
    shaken = known["trainings"] + np.random.default_rng(1).normal(0, 5, (N, 2))
    found = evaluated(known["truth"], {**known, "trainings": shaken})
    assert (found.judgeable, found.outcome) == (False, "inconclusive")
    assert found.verdict.startswith("Inconclusive: trainings of the ground truth agree with each other by tau 0.")


def test_one_training_has_no_ceiling_and_no_cost_no_comparison(known: dict[str, np.ndarray]) -> None:
    found = rank(known["luck"], known["truth"], samples=20)
    assert (found.ceiling, found.judgeable, found.costs, found.outcome) == (None, None, {}, "alone")
    assert found.record()["ceiling"] is None
    assert found.verdict.endswith("no cost is known to compare them with.")


def test_of_a_loss_less_is_better(known: dict[str, np.ndarray]) -> None:
    scores = known["truth"] + known["luck"]
    accuracy = evaluated(scores, known)
    loss = evaluated(-scores, {**known, "trainings": -known["trainings"]}, maximise=False)
    assert loss == accuracy
    assert min(loss.regret.values()) >= 0


def test_the_seed_fixes_the_intervals(known: dict[str, np.ndarray]) -> None:
    scores = known["truth"] + known["luck"]
    assert evaluated(scores, known, seed=1) == evaluated(scores, known, seed=1) != evaluated(scores, known, seed=2)


def test_three_architectures_are_enough_and_tops_need_others_below() -> None:
    found = rank([1, 2, 3], [1, 2, 3], {"flops": [1, 1, 1]}, samples=20)
    assert list(found.precision) == [1] and found.best_rank == {1: 1.0} and found.better_than_random == 1
    assert found.costs["flops"].tau.value == 0
    distinct = rank([1, 2, 3], [1, 2, 3], {"flops": [1, 2, 3]}, samples=20).costs["flops"]
    assert (distinct.rule, distinct.strata) == ("bins", 2)
    alike = rank([1, 2, 3], [1, 1, 3], {"flops": [1, 1, 3]}, samples=20).record()["costs"]["flops"]
    assert alike["within"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([1, 2], [1, 2]), "a ranking of 2 architectures says nothing; give 3 or more"),
        (([1, 2, 3], [1, 2]), r"scores of shape \(3,\) cannot be evaluated by truth of shape \(2,\)"),
        (([[1, 2, 3]], [1, 2, 3]), r"scores of shape \(1, 3\)"),
        (([1, 2, np.nan], [1, 2, 3]), "hold a value that is not finite"),
        (([1, 2, 3], [1, np.inf, 3]), "hold a value that is not finite"),
        (([1, 2, 3], [5, 5, 5]), "the truth is 5 for all architectures"),
        (([1, 2, 3], [1, 2, 3], {"flops": [1, 2]}), r"cost 'flops' has shape \(2,\); give a finite value for each of"),
    ],
)
def test_what_cannot_be_judged_is_refused(arguments: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        rank(*arguments)
