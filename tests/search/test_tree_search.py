"""Monte Carlo tree search: bandits, visits and what is decided first."""

import numpy as np
import pytest

from nas.errors import UsageError
from nas.search import Result, Strategy, make_strategy
from nas.space import Architecture, Space
from nas.testing.spaces import NESTED, WIDE


def played(strategy: Strategy, space: Space, values: np.ndarray, rounds: int) -> list[Architecture]:
    """What it proposes one at a time, where the sum of the values ``[choices, candidates]`` is to be maximised."""
    proposed = []
    for _ in range(rounds):
        (each,) = strategy.ask(1)
        (row,) = space.indices([each])
        strategy.tell([Result(each, {}, (-float(values[np.arange(len(row)), row].sum()),), 0.0)])
        proposed.append(each)
    return proposed


def test_without_exploration_it_stays_with_the_better_of_two_arms() -> None:
    space = Space({"arm": ["worse", "better"], "c": list("abcdefghij")})
    values = np.zeros((2, 10))
    values[0, 1] = 1.0
    proposed = played(make_strategy("mcts", space, 0, exploration=0.0), space, values, 8)
    assert {each["arm"] for each in proposed[2:]} == {"better"}


def test_every_node_counts_what_was_visited_below_it() -> None:
    strategy = make_strategy("mcts", NESTED, 0)
    asked = strategy.ask(9)
    strategy.tell([Result(each, {}, (float(place),), 0.0) for place, each in enumerate(asked[:5])])
    nodes = [strategy._root]
    for node in nodes:
        nodes += node.below
        if node.below:
            assert node.visits == sum(below.visits for below in node.below)
            assert sorted(node.results) == sorted(place for below in node.below for place in below.results)
    assert (strategy._root.visits, len(strategy._root.results)) == (9, 5)


def test_choices_that_are_decided_first_are_learnt() -> None:
    """The best of 60 of 10,000, over 10 seeds, where choices count less and less."""
    space = Space({f"c{place}": list(range(10)) for place in range(4)})
    values = np.random.default_rng(0).normal(size=(4, 10)) * [[8], [4], [2], [1]]

    def mean_best(name: str) -> float:
        best = []
        for seed in range(10):
            rows = space.indices(played(make_strategy(name, space, seed), space, values, 60))
            best.append(values[np.arange(4), rows].sum(axis=1).max())
        return float(np.mean(best))

    assert mean_best("mcts") > mean_best("random") + 1


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UsageError, match="mcts has exploration -1"):
        make_strategy("mcts", WIDE, exploration=-1.0)
