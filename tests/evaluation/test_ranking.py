"""Measures of rankings against their definitions, written out pair by pair, and against published properties."""

import os
from collections.abc import Callable
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nas.errors import UsageError
from nas.evaluation.ranking import (
    agreement,
    best_rank,
    bootstrap,
    ceiling,
    consecutive,
    equal_cost,
    precision_at,
    probability_better_than_random,
    regret,
    sparse_tau,
    tau,
    tau_within_strata,
    weighted_tau,
)

SHARED = Path(os.environ.get("NAS_SHARED_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


def pair_by_pair(x: np.ndarray, y: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Tau-b by its definition, over the pairs of one stratum."""
    balance, untied_x, untied_y = 0.0, 0, 0
    for a, b in combinations(range(len(x)), 2):
        if strata is None or strata[a] == strata[b]:
            balance += np.sign(x[a] - x[b]) * np.sign(y[a] - y[b])
            untied_x += x[a] != x[b]
            untied_y += y[a] != y[b]
    return float(balance / np.sqrt(untied_x * untied_y))


def over_all_orders(scores: np.ndarray, asked: Callable[[list[int]], float]) -> float:
    """The mean over all orders of the architectures, best first, that the scores allow."""
    orders = [order for order in permutations(range(len(scores))) if (np.diff(scores[list(order)]) <= 0).all()]
    return float(np.mean([asked(list(order)) for order in orders]))


@pytest.fixture
def tied() -> tuple[np.ndarray, np.ndarray]:
    """Scores and truth of 60 architectures with many ties in both."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 20, 60).astype(float)
    return np.round(truth / 3 + rng.normal(0, 2, 60)), truth


def test_tau_is_tau_b(tied: tuple[np.ndarray, np.ndarray]) -> None:
    assert tau(*tied) == pytest.approx(pair_by_pair(*tied))
    assert tau(tied[1], tied[1]) == pytest.approx(1) and tau(-tied[1], tied[1]) == pytest.approx(-1)


@pytest.mark.parametrize("measure", [tau, sparse_tau, weighted_tau])
def test_what_is_constant_orders_nothing(measure: Callable[..., float]) -> None:
    assert measure([1, 1, 1], [1, 2, 3]) == measure([1, 2, 3], [1, 1, 1]) == 0


def test_without_threshold_sparse_tau_is_tau(tied: tuple[np.ndarray, np.ndarray]) -> None:
    scores, truth = tied[0], np.random.default_rng(1).uniform(0.6, 0.9, 60)
    assert sparse_tau(scores, truth, 0) == sparse_tau(scores, truth, 1e-12) == tau(scores, truth)


def test_sparse_tau_is_a_matter_of_units() -> None:
    rng = np.random.default_rng(0)
    percent = np.round(rng.uniform(90, 91, 200), 2)
    scores = percent + rng.normal(0, 0.2, 200)
    assert sparse_tau(scores, percent, 0.1) == sparse_tau(scores, percent / 100, 0.001) != tau(scores, percent)
    steps = 0.3 * np.arange(1, 30)  # 0.3 / 0.1 is a little less than 3 in floating point
    assert sparse_tau(-steps, steps, 0.1) == pytest.approx(-1)


def test_sparse_tau_rises_where_differences_are_noise_and_falls_where_they_are_not() -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.90, 0.92, 400)
    truth, scores = true + rng.normal(0, 0.002, 400), true + rng.normal(0, 0.002, 400)
    exact, at_noise, too_coarse = (sparse_tau(scores, truth, step) for step in (0, 0.004, 0.015))
    assert at_noise > exact + 0.01 and too_coarse < at_noise - 0.05


def test_weighted_tau_minds_the_top() -> None:
    truth = np.arange(20.0)
    top, bottom = truth.copy(), truth.copy()
    top[[19, 18]], bottom[[0, 1]] = top[[18, 19]], bottom[[1, 0]]
    assert tau(top, truth) == tau(bottom, truth)
    assert weighted_tau(top, truth) < weighted_tau(bottom, truth) < 1


@pytest.mark.parametrize("k", range(1, 7))
def test_equal_scores_are_ordered_by_lot(k: int) -> None:
    scores, truth = np.array([2.0, 1, 2, 2, 0, 1]), np.array([3.0, 9, 4, 1, 9, 5])
    good = np.flatnonzero(truth >= np.sort(truth)[-k])
    assert precision_at(scores, truth, k) == pytest.approx(
        over_all_orders(scores, lambda order: np.isin(order[:k], good).mean())
    )
    assert regret(scores, truth, k) == pytest.approx(
        over_all_orders(scores, lambda order: truth.max() - truth[order[:k]].max())
    )
    ranks = [1 + int((truth > value).sum()) for value in truth]
    assert best_rank(scores, truth, k) == pytest.approx(
        over_all_orders(scores, lambda order: min(ranks[place] for place in order[:k]))
    )


def test_better_than_random_is_what_a_simulation_says() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 65, (20_000, 10))
    for rank in (1, 3, 10, 64):
        simulated = (ranks.min(axis=1) >= rank).mean()
        assert probability_better_than_random(rank, 64) == pytest.approx(simulated, abs=0.01)


def test_tau_within_strata_counts_pairs_of_equal_cost_alone(tied: tuple[np.ndarray, np.ndarray]) -> None:
    scores, truth = tied
    strata = np.random.default_rng(2).integers(0, 5, 60)
    assert tau_within_strata(scores, truth, strata) == pytest.approx(pair_by_pair(scores, truth, strata))
    assert tau_within_strata(scores, truth, np.zeros(60)) == pytest.approx(tau(scores, truth))
    assert tau_within_strata(truth + 100 * strata, truth - 100 * strata, strata) == pytest.approx(1)


def test_tau_within_strata_without_a_pair_is_not_known() -> None:
    assert np.isnan(tau_within_strata([1, 2, 3], [1, 2, 3], [0, 1, 2]))
    assert np.isnan(tau_within_strata([1, 2, 3], [1, 1, 3], [0, 0, 1]))
    assert tau_within_strata([1, 1, 3], [1, 2, 3], [0, 0, 1]) == 0


def test_a_score_that_only_counts_operations_ranks_nothing_within_strata() -> None:
    rng = np.random.default_rng(0)
    cost = rng.integers(0, 10, 500)
    truth = cost + rng.normal(0, 1, 500)
    by_cost, by_truth = cost + rng.normal(0, 0.3, 500), truth + rng.normal(0, 1, 500)
    labels = equal_cost(cost).labels
    assert tau(by_cost, truth) > 0.6 and tau(by_truth, truth) > 0.6
    assert abs(tau_within_strata(by_cost, truth, labels)) < 0.1
    assert tau_within_strata(by_truth, truth, labels) > 0.4


def test_costs_that_hardly_ever_repeat_are_put_into_bins() -> None:
    equal = equal_cost([3, 1] * 5)
    assert (equal.rule, equal.count) == ("equal", 2)
    binned = equal_cost(np.random.default_rng(0).permutation(100))
    assert (binned.rule, binned.count) == ("bins", 10)
    assert np.bincount(binned.labels).tolist() == [10] * 10
    assert equal_cost(np.arange(100), bins=4).count == 4 and equal_cost(np.arange(21)).count == 4
    repeated = equal_cost([1, 1, 1, 1, 2, 3, 4, 5])
    assert len(set(repeated.labels[:4])) == 1


def test_a_run_agrees_with_itself_and_chance_with_nothing() -> None:
    rng = np.random.default_rng(0)
    same = agreement(np.tile(rng.normal(size=64), (3, 1)))
    assert same.mean == pytest.approx(1) and same.spread == pytest.approx(0) and same.deviation.max() < 1e-12
    chance = agreement([rng.permutation(64) for _ in range(40)])
    assert abs(chance.mean) < 0.02
    assert chance.spread == pytest.approx(0.085, abs=0.01)  # as tables of Kendall's tau have it for 64
    assert np.isnan(agreement([[1, 2], [1, 2]]).spread)


def test_agreement_tells_what_varies_between_runs() -> None:
    rng = np.random.default_rng(0)
    runs = np.linspace(0, 1, 50) + rng.normal(0, [[0.01] * 25 + [0.2] * 25] * 200)
    deviation = agreement(runs[:30]).deviation
    assert deviation[:25].mean() == pytest.approx(0.01, rel=0.1) and deviation[25:].mean() == pytest.approx(
        0.2, rel=0.1
    )
    assert consecutive(runs[:4]) == pytest.approx([tau(runs[0], runs[1]), tau(runs[1], runs[2]), tau(runs[2], runs[3])])
    assert ceiling(runs[0], runs[1]) == tau(runs[0], runs[1])
    assert ceiling(*runs[:3]) == agreement(runs[:3]).mean


def test_the_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    correlation = 0.6
    true = 2 / np.pi * np.arcsin(correlation)  # of a bivariate normal distribution
    covered = 0
    for trial in range(40):
        x, noise = rng.normal(size=(2, 80))
        y = correlation * x + np.sqrt(1 - correlation**2) * noise
        low, high = bootstrap(lambda rows, x=x, y=y: tau(x[rows], y[rows]), 80, seed=trial, samples=100)
        covered += low <= true <= high
    assert 34 <= covered <= 40


def test_the_bootstrap_is_a_function_of_its_seed_and_pairs_statistics() -> None:
    values = np.random.default_rng(0).normal(size=50)

    def both(rows: np.ndarray) -> list[float]:
        mean = float(values[rows].mean())
        return [mean, mean - 1, mean - mean, np.nan]

    first = bootstrap(both, 50, seed=3, samples=100)
    assert first.shape == (4, 2)
    np.testing.assert_array_equal(first, bootstrap(both, 50, seed=3, samples=100))
    assert not np.array_equal(first, bootstrap(both, 50, seed=4, samples=100), equal_nan=True)
    assert first[1] == pytest.approx(first[0] - 1) and (first[2] == 0).all() and np.isnan(first[3]).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: tau([1, 2], [1, 2, 3]), r"shapes are \(2,\) and \(3,\); give \[n\] of each"),
        (lambda: tau([], []), r"shapes are \(0,\) and \(0,\)"),
        (lambda: tau([1, np.nan], [1, 2]), "some are NaN or infinite; drop these"),
        (lambda: sparse_tau([1, 2], [1, 2], -0.1), r"threshold is -0\.1; give a number of at least 0"),
        (lambda: precision_at([1, 2], [1, 2], 3), "k is 3, expected a number from 1 to 2"),
        (lambda: regret([1, 2], [1, 2], 0), "k is 0, expected a number from 1 to 2"),
        (lambda: probability_better_than_random(0, 5), r"rank is 0, expected a number from 1 \(the best\) to 5"),
        (lambda: equal_cost([1, 2], bins=0), "bins is 0; give a positive number"),
        (lambda: agreement([[1, 2, 3]]), r"shape \(1, 3\), expected \[runs, architectures\] of two runs or more"),
        (lambda: bootstrap(np.mean, 5, samples=0), "samples is 0; give a positive number of draws"),
    ],
)
def test_what_cannot_be_asked_is_refused(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        call()


def test_published_figures_of_nasbench_macro() -> None:
    file = SHARED / "nasbench_macro" / "nasbench_macro_cifar10.parquet"
    if not file.is_file():
        pytest.skip(f"no copy of nasbench_macro in NAS_SHARED_DATA ({SHARED})")
    table = pd.read_parquet(file)
    trainings = table[["acc1", "acc2", "acc3"]].to_numpy().T
    assert ceiling(*trainings) == pytest.approx(0.88, abs=0.01)
    assert tau(table["flops"], table["mean_acc"]) == pytest.approx(0.55, abs=0.01)
