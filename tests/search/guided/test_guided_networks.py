"""Strategies whose model is a network: what BANANAS and BRP-NAS say of theirs."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from nas.errors import UsageError
from nas.search import Result, make_strategy
from nas.search.guided.binary_relation import top_and_random
from nas.search.guided.candidates import all_rows
from nas.search.guided.networks import Networks
from nas.search.guided.pretrained_ranking import pretrained
from nas.space import Architecture, Space
from nas.testing.spaces import WIDE

WORTH = np.random.default_rng(0).normal(size=(8, 4))


def values_of(rows: np.ndarray) -> np.ndarray:
    """Of a sum over choices and one interaction."""
    return WORTH[np.arange(8), rows].sum(axis=1) + 2.0 * (rows[:, 0] == rows[:, 1])


def evaluated(rows: np.ndarray) -> list[Result]:
    values = values_of(rows)
    return [Result(each, {}, (float(value),), 0.0) for each, value in zip(WIDE.from_indices(rows), values, strict=True)]


def costs(architectures: Sequence[Architecture]) -> list[dict[str, float]]:
    """A sum over choices that the values follow, and one that never differs."""
    rows = WIDE.indices(architectures)
    return [{"flops": float(each), "inputs": 1.0} for each in WORTH[np.arange(8), rows].sum(axis=1)]


@pytest.mark.parametrize("name", ["bananas", "brp", "nars"])
def test_the_network_orders_architectures_that_it_has_not_seen(name: str) -> None:
    rng = np.random.default_rng(1)
    rows = all_rows(WIDE)
    strategy = make_strategy(name, WIDE, 0, costs=costs)
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


def test_costs_are_learnt_of_architectures_that_cost_nothing_to_know() -> None:
    network = pretrained(WIDE, 0, costs, "one-hot", width=32, steps=600, statistics=500)
    rows = all_rows(WIDE)[:: WIDE.size // 300]
    told = [row["flops"] for row in costs(WIDE.from_indices(rows))]
    with torch.no_grad():
        found = network(torch.tensor(WIDE.one_hot(rows)))[0]
    assert found.shape[1] == 1, "what never differs is not learnt"
    assert np.corrcoef(found[:, 0], told)[0, 1] ** 2 > 0.97


def test_frozen_layers_stay_and_adopted_ones_are_copies() -> None:
    x, y = torch.rand(40, 6), torch.rand(40)
    first, second = Networks(1, [6, 8, 8, 3], 0), Networks(1, [6, 8, 8, 1], 1)
    second.adopt(first)
    assert all((a == b).all() for a, b in zip(first.weights[:-1], second.weights[:-1], strict=True))
    last = second.weights[-1].clone()
    second.fit(lambda: (second(x)[0, :, 0] - y).square().mean(), 20, frozen=2)
    assert all((a == b).all() for a, b in zip(first.weights[:-1], second.weights[:-1], strict=True))
    assert (second.weights[-1] != last).any()
    second.fit(lambda: (second(x)[0, :, 0] - y).square().mean(), 20)
    assert (first.weights[0] != second.weights[0]).any()


def test_what_is_learnt_of_costs_helps_where_they_tell_something() -> None:
    """Of 30 results, averaged over four draws, against costs of two architectures: half of the worth is their sum."""
    gains = []
    for draw in range(4):
        rng = np.random.default_rng(draw)
        rows = all_rows(WIDE)
        known, unseen = rows[rng.choice(len(rows), 30, replace=False)], rows[rng.choice(len(rows), 500)]
        taus = []
        for statistics in (500, 2):
            strategy = make_strategy("nars", WIDE, draw, costs=costs, statistics=statistics, steps=60)
            strategy.tell(evaluated(known))
            rank = strategy._model(list(strategy._sampler.results.values()))
            taus.append(kendalltau(rank(strategy._encode(unseen), 1, rng)[0], values_of(unseen)).statistic)
        gains.append(taus[0] - taus[1])
    assert np.mean(gains) > 0.05


def test_without_costs_there_is_nothing_to_begin_with() -> None:
    with pytest.raises(UsageError, match="'nars' learns what architectures cost before it searches, and nothing tells"):
        make_strategy("nars", WIDE)
    with pytest.raises(UsageError, match="nars has statistics 1; use at least 2"):
        make_strategy("nars", WIDE, costs=costs, statistics=1)


def test_rounds_of_linas_are_the_best_that_evolution_meets() -> None:
    large = Space({f"c{index}": list(range(8)) for index in range(12)})

    def told(some: Sequence[Architecture]) -> list[Result]:
        return [Result(each, {}, (-float(sum(each.values())),), 0.0) for each in some]

    strategy = make_strategy("linas", large, 0, batch=40)
    totals = []
    for _ in range(4):
        proposals = [each for _ in range(8) for each in strategy.ask(5)]
        assert len(set(proposals)) == 40, "a round is asked for in parts"
        totals.append(np.mean([sum(each.values()) for each in proposals]))
        strategy.tell(told(proposals))
    assert abs(totals[0] - 42) < 4 and totals[1] > 60 and totals[3] > 75, "of 84; a random one of 40 has 53 at best"


def test_linas_predicts_each_objective_by_itself() -> None:
    space = Space({f"c{index}": list(range(4)) for index in range(8)})

    def told(some: Sequence[Architecture]) -> list[Result]:
        halves = [(sum(list(each.values())[:4]), sum(list(each.values())[4:])) for each in some]
        return [Result(each, {}, (-float(a), float(b)), 0.0) for each, (a, b) in zip(some, halves, strict=True)]

    strategy = make_strategy("linas", space, 0, batch=30)
    for _ in range(4):
        strategy.tell(told(last := strategy.ask(30)))
    points = np.array([result.objectives for result in told(last)])
    assert (points.min(axis=0) == [-12, 0]).all(), "both ends at once: the one best architecture"
