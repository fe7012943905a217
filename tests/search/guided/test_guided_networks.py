"""Strategies whose model is a network: what BANANAS and BRP-NAS say of theirs."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas.search import Result, make_strategy
from nas.search.guided.binary_relation import top_and_random
from nas.search.guided.candidates import all_rows
from nas.testing.spaces import WIDE

WORTH = np.random.default_rng(0).normal(size=(8, 4))


def values_of(rows: np.ndarray) -> np.ndarray:
    """Of a sum over choices and one interaction."""
    return WORTH[np.arange(8), rows].sum(axis=1) + 2.0 * (rows[:, 0] == rows[:, 1])


def evaluated(rows: np.ndarray) -> list[Result]:
    values = values_of(rows)
    return [Result(each, {}, (float(value),), 0.0) for each, value in zip(WIDE.from_indices(rows), values, strict=True)]


@pytest.mark.parametrize("name", ["bananas", "brp"])
def test_the_network_orders_architectures_that_it_has_not_seen(name: str) -> None:
    rng = np.random.default_rng(1)
    rows = all_rows(WIDE)
    strategy = make_strategy(name, WIDE, 0)
    strategy.tell(evaluated(rows[rng.choice(len(rows), 120, replace=False)]))
    rank = strategy._model(list(strategy._sampler.results.values()))
    unseen = rows[rng.choice(len(rows), 500)]
    means = np.mean(rank(strategy._encode(unseen), 64, rng)[:32], axis=0)
    assert kendalltau(means, values_of(unseen)).statistic > 0.6


def test_half_of_a_round_of_brp_is_the_top_and_half_is_drawn_from_the_best_fraction() -> None:
    numbers = np.random.default_rng(0).normal(size=400)
    values = top_and_random(numbers, 20, 0.125, np.random.default_rng(1))
    ranks = np.argsort(np.argsort(numbers))
    assert (values[:10] == numbers).all()
    drawn = ranks[values[10:].argmin(axis=1)]
    assert drawn.max() < 50 and len(set(drawn)) > 5
