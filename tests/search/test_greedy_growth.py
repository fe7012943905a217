"""The strategy that only enlarges, and the steps that it takes."""

from collections.abc import Callable

import numpy as np
import pytest

from nas.errors import UsageError
from nas.search import Result, make_strategy
from nas.search.greedy_growth import smallest_rank_sum
from nas.space import Architecture, Condition, Space
from nas.space.growth import grown, shrunk

SPACE = Space({"width": [16, 8, 32], "depth": [1, 2, 3], "kernel": [3, 5], "bias": [True, False]})
NESTED = Space({"depth": [1, 2], "kernel": [5, 3]}, {"kernel": [(Condition(("depth",), frozenset({(1,)})),)]})
GAINS = {"width": 1.0, "depth": 10.0, "kernel": 3.0}


def gain(architecture: Architecture) -> float:
    """What steps are worth, and a little for what is larger than it was."""
    return sum(GAINS[name] * sorted(SPACE.choices[name]).index(architecture[name]) for name in GAINS)


def played(
    vector: Callable[[Architecture], tuple[float, ...] | None],
    violation: Callable[[Architecture], float] = lambda _: 0.0,
    rounds: int = 40,
) -> list[Architecture]:
    strategy, proposed = make_strategy("grow", SPACE, 0), []
    for _ in range(rounds):
        batch = strategy.ask(3)
        strategy.tell([Result(each, {}, vector(each), violation(each)) for each in batch])
        proposed += batch
    return proposed


def test_a_step_is_the_next_number_of_one_choice() -> None:
    start = SPACE.smallest()
    assert [dict(each) for each in grown(SPACE, start)] == [
        {**start, "width": 16},
        {**start, "depth": 2},
        {**start, "kernel": 5},
    ]
    assert list(shrunk(SPACE, start)) == list(grown(SPACE, SPACE.largest())) == []
    assert all(start in shrunk(SPACE, each) for each in grown(SPACE, start))


def test_choices_of_a_further_layer_begin_with_their_smallest() -> None:
    (deeper,) = grown(NESTED, NESTED.smallest())
    assert dict(deeper) == {"depth": 2, "kernel": 3}
    assert [dict(each) for each in grown(NESTED, deeper)] == [{"depth": 2, "kernel": 5}]
    assert [dict(each) for each in shrunk(NESTED, deeper)] == [{"depth": 1}]


def test_the_best_step_is_taken_until_nothing_is_left() -> None:
    """Depth twice, then the kernel, then the width twice; random architectures are the rest."""
    proposed = played(lambda each: (-gain(each),))
    start = SPACE.smallest()
    taken = [{"depth": 2}, {"depth": 3}, {"depth": 3, "kernel": 5}, {"depth": 3, "kernel": 5, "width": 16}]
    at, expected = start, {start}
    for step in taken:
        expected |= set(grown(SPACE, at))
        at = SPACE.complete({**start, **step})
    expected |= set(grown(SPACE, at))
    assert set(proposed[: len(expected)]) == expected
    assert len(set(proposed)) == SPACE.size


def test_it_does_not_grow_out_of_a_constraint() -> None:
    """Of depth 3 only the children of the last feasible ones are tried, before random architectures follow."""
    proposed = played(
        lambda each: (-gain(each),), lambda each: float(each["depth"] == 3 or each["kernel"] == 5), rounds=8
    )
    first = proposed[: proposed.index(SPACE.complete({"depth": 2, "width": 32})) + 1]
    assert all(each["bias"] for each in first)
    assert not [each for each in first if each["depth"] == 3 and each["kernel"] == 5]
    assert sum(each["depth"] == 3 for each in first) <= 3


def test_what_violates_least_is_grown_while_nothing_is_feasible() -> None:
    """Nothing is evaluated; after the start there are five steps of at most three candidates."""
    proposed = played(lambda _: None, lambda each: 26 - gain(each), rounds=6)
    assert SPACE.complete({"depth": 3, "kernel": 5, "width": 32}) in proposed


def test_the_smallest_sum_of_ranks() -> None:
    assert smallest_rank_sum(np.array([[1.0, 3.0, 2.0], [2.0, 1.0, 1.0], [3.0, 2.0, 3.0]])) == 1
    alike = np.array([[1.0, 101.0], [2.0, 100.0]])
    assert smallest_rank_sum(alike) == 0
    assert smallest_rank_sum(alike[:, ::-1]) == 0
    assert smallest_rank_sum(np.array([[100.0, 2.0], [101.0, 1.0]])) == 1


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UsageError, match="grow has starts 0; give 1 or more"):
        make_strategy("grow", SPACE, starts=0)
    with pytest.raises(UsageError, match="grow enlarges numbers, such as widths, but no choice of this space has them"):
        make_strategy("grow", Space({"operation": ["skip", "conv"]}))
