"""Integer programs over spaces against the enumeration of all architectures."""

from collections.abc import Sequence

import numpy as np
import pytest

from nas.errors import UsageError
from nas.search import Result, make_strategy
from nas.search.guided.candidates import all_rows
from nas.search.guided.integer_programming import AtMost, SumProgram
from nas.space import Architecture, Condition, Space
from nas.testing.spaces import NESTED

SEVERAL_USES = Space(
    {"a": [0, 1, 2], "b": [0, 1], "c": [0, 1, 2], "d": [0, 1, 2], "e": ["only"], "never": [1, 2]},
    {
        "c": [
            (Condition(("a", "b"), frozenset({(0, 0), (1, 1), (2, 0)})),),
            (Condition(("a",), frozenset({(1,), (2,)})), Condition(("b",), frozenset({(0,)}))),
        ],
        "d": [(Condition(("c",), frozenset({(0,), (2,)})),), (Condition(("b",), frozenset({(1,)})),)],
        "never": [],
    },
)
"""A choice of two uses, one of them with a condition on two choices; one that depends on it; one that never is."""


@pytest.mark.parametrize("space", [NESTED, SEVERAL_USES], ids=["nested", "several uses"])
@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_sums_are_those_of_an_enumeration(space: Space, seed: int) -> None:
    """Within a bound, one after another until none is left: the same architectures in the same order."""
    rng = np.random.default_rng(seed)
    values, prices = rng.normal(size=(2, len(space.columns)))
    chosen = space.one_hot(all_rows(space)).astype(np.float64)
    sums, costs = chosen @ values, chosen @ prices
    bound = float(np.sort(costs)[len(costs) // 2 :][:2].mean())
    within = [position for position in np.argsort(sums) if costs[position] <= bound]
    program, found = SumProgram(space), []
    while (each := program.smallest(values, [AtMost(prices, bound)], found)) is not None:
        found.append(each)
    assert found == space.from_indices(all_rows(space)[within])


def test_a_bound_holds_to_the_last_digit() -> None:
    """The better of two misses the bound by less than the tolerance of the solver."""
    program = SumProgram(Space({"a": [0, 1]}))
    prices = np.array([1.0, 1.0 + 1e-9])
    assert program.smallest(np.array([0.0, -1.0]), [AtMost(prices, 1.0)]) == Architecture({"a": 0})
    assert program.smallest(np.array([0.0, -1.0]), [AtMost(prices, 1.0 + 1e-9)]) == Architecture({"a": 1})


def test_a_space_that_nobody_can_enumerate() -> None:
    """The optimum of 4**40 architectures without a bound is known."""
    space = Space({f"c{place}": [0, 1, 2, 3] for place in range(40)})
    values = np.random.default_rng(0).normal(size=(40, 4))
    assert space.indices([SumProgram(space).smallest(values.ravel())]).tolist() == [values.argmin(axis=1).tolist()]


def test_search_by_sums_knows_the_optimum_of_a_sum_within_a_bound_after_a_few_results() -> None:
    """Of 3**30 architectures, when each candidate is known from 120 results; random search never meets it."""
    rng = np.random.default_rng(0)
    space = Space({f"c{place}": [0, 1, 2] for place in range(30)})
    values, prices = rng.normal(size=(2, 90))
    optimum = SumProgram(space).smallest(values, [AtMost(prices, 0.0)])
    assert optimum is not None

    def results_of(architectures: Sequence[Architecture]) -> list[Result]:
        chosen = space.one_hot(architectures)
        sums, excess = (chosen @ values).tolist(), np.maximum(chosen @ prices, 0).tolist()
        return [
            Result(*each) for each in zip(architectures, [{}] * len(sums), [(s,) for s in sums], excess, strict=True)
        ]

    strategy = make_strategy("milp", space, startup=120)
    strategy.tell(results_of([space.sample(rng) for _ in range(120)]))
    best = np.inf
    for _ in range(6):
        results = results_of(strategy.ask(5))
        strategy.tell(results)
        best = min([best, *(each.objectives[0] for each in results if each.feasible and each.objectives)])
    (known,) = results_of([optimum])
    assert known.objectives and best <= 0.97 * known.objectives[0], "within 3 % of the optimum"


def test_search_by_sums_of_two_objectives_proposes_for_one_and_the_other() -> None:
    """Two sums that contradict each other: proposals lie between the two optima, not at one of them."""
    space = Space({f"c{place}": [0, 1, 2, 3] for place in range(10)})
    strategy = make_strategy("milp", space, 0, startup=40)
    rng = np.random.default_rng(0)
    known = [space.sample(rng) for _ in range(60)]
    totals = space.indices(known).sum(axis=1).tolist()
    strategy.tell([Result(each, {}, (total, -total), 0.0) for each, total in zip(known, totals, strict=True)])
    totals = space.indices(strategy.ask(30)).sum(axis=1)
    assert totals.min() < 5 and totals.max() > 25


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UsageError, match="milp has startup 0"):
        make_strategy("milp", NESTED, startup=0)
    with pytest.raises(UsageError, match="spread -1"):
        make_strategy("milp", NESTED, spread=-1.0)
