"""The strategy that follows learnt probabilities: what every strategy must do, and what it draws."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from nas.errors import UsageError
from nas.search import LearntDistribution, Objective, Result, make_strategy, search
from nas.space import Architecture, Condition, Space, Subset

FLAT = Space({f"c{index}": [1, 2, 3, 4] for index in range(8)})
NESTED = Space(
    {"depth": [1, 2, 3], "a": ["x", "y"], "b": ["x", "y", "z"], "c": [3, 5, 7]},
    {
        "b": [(Condition(("depth",), frozenset({(1,), (2,)})),)],
        "c": [(Condition(("depth",), frozenset({(2,)})), Condition(("b",), frozenset({(0,), (1,)})))],
    },
)
SINGLE = Space({"only": [1]})
NODE = Subset(["p", "q", "r"], 2)


def uniform(space: Space) -> dict[str, np.ndarray]:
    return {name: np.full(len(candidates), 1 / len(candidates)) for name, candidates in space.choices.items()}


def new_strategy(space: Space, seed: int = 0, proposals: Sequence[Architecture] | None = None) -> LearntDistribution:
    chosen = [space.largest(), space.smallest()] if proposals is None else proposals
    return LearntDistribution(space, seed, proposals=chosen, probabilities=uniform(space))


def ask_and_tell(strategy: LearntDistribution, rounds: int, batch: int) -> list[list[Architecture]]:
    asked = []
    for _ in range(rounds):
        asked.append(strategy.ask(batch))
        strategy.tell([Result(architecture, {}, None, 1.0) for architecture in asked[-1]])
    return asked


@pytest.mark.parametrize("space", [FLAT, NESTED], ids=["flat", "nested"])
def test_proposals_are_members_new_and_no_more_than_asked(space: Space) -> None:
    batches = ask_and_tell(new_strategy(space, 3), rounds=8, batch=6)
    flat = [architecture for batch in batches for architecture in batch]
    assert all(len(batch) <= 6 for batch in batches)
    assert all(architecture in space for architecture in flat)
    assert len(set(flat)) == len(flat)
    assert len(flat) >= min(space.size, 20)


def test_it_is_a_function_of_seed_and_calls() -> None:
    first = ask_and_tell(new_strategy(FLAT, 3), rounds=5, batch=10)
    assert ask_and_tell(new_strategy(FLAT, 3), rounds=5, batch=10) == first
    assert ask_and_tell(new_strategy(FLAT, 4), rounds=5, batch=10) != first


@pytest.mark.parametrize("space", [NESTED, SINGLE], ids=["nested", "single"])
def test_a_small_space_is_visited_wholly_and_then_ends(space: Space) -> None:
    strategy = new_strategy(space)
    seen: set[Architecture] = set()
    while batch := strategy.ask(7):
        seen.update(batch)
    assert seen == set(space)
    assert strategy.ask(7) == []


def test_results_that_were_not_asked_for_are_not_proposed_again() -> None:
    strategy = new_strategy(NESTED)
    known = list(NESTED)[:10]
    strategy.tell([Result(architecture, {}, (1.0,), 0.0) for architecture in known])
    assert {a for batch in ask_and_tell(strategy, rounds=20, batch=5) for a in batch} == set(NESTED) - set(known)


def test_the_proposals_come_first_in_order_and_once() -> None:
    last, middle, first = FLAT.largest(), FLAT.smallest(), FLAT.sample(0)
    strategy = new_strategy(FLAT, proposals=[last, middle, last, middle, first])
    assert strategy.ask(2) == [last, middle]
    following = strategy.ask(3)
    assert following[0] == first and len(following) == 3
    assert not {last, middle, first} & set(following[1:])


def test_draws_follow_the_probabilities() -> None:
    space = Space({"often": ["a", "b"], **{f"c{index}": list(range(10)) for index in range(6)}})
    strategy = LearntDistribution(space, 1, proposals=[], probabilities=uniform(space) | {"often": [0.8, 0.2]})
    shares = Counter(architecture["often"] for architecture in strategy.ask(2000))
    assert shares["a"] / 2000 == pytest.approx(0.8, abs=0.03)


def test_subsets_are_drawn_by_the_product_of_their_elements() -> None:
    """Products 0.3, 0.12 and 0.1 of the pairs: shares of 30, 12 and 10 in 52."""
    space = Space({"node": NODE, **{f"c{index}": list(range(10)) for index in range(6)}})
    strategy = LearntDistribution(
        space, 1, proposals=[], probabilities=uniform(space) | {"node": [0.6, 0.5, 0.2]}, options={"node": NODE.options}
    )
    shares = Counter(architecture["node"] for architecture in strategy.ask(2000))
    for pair, share in {("p", "q"): 30 / 52, ("p", "r"): 12 / 52, ("q", "r"): 10 / 52}.items():
        assert shares[pair] / 2000 == pytest.approx(share, abs=0.03)


def test_what_has_no_probability_comes_last_what_is_banned_never_and_it_ends() -> None:
    space = Space({"edge": ["none", "skip", "conv"], "width": [1, 2, 3]})
    strategy = LearntDistribution(
        space,
        proposals=[],
        probabilities={"edge": [0.8, 0.1, 0.1], "width": [0.5, 0.5, 0.0]},
        banned={"edge": (True, False, False)},
        patience=1000,
    )
    drawn = [(each["edge"], each["width"]) for each in strategy.ask(100)]
    assert set(drawn[:4]) == {(e, w) for e in ("skip", "conv") for w in (1, 2)}
    assert set(drawn[4:]) == {("skip", 3), ("conv", 3)}
    assert strategy.ask(1) == []


def test_decided_probabilities_are_followed_by_what_differs_in_little() -> None:
    space = Space({str(number): [0, 1] for number in range(20)})
    learnt = {name: [0.0, 1.0] for name in space.choices}
    first, *others = LearntDistribution(space, proposals=[], probabilities=learnt).ask(40)
    assert first == space.largest() and len(set(others)) == 39
    assert sum(list(each.values()).count(0) for each in others) / 39 < 4


def test_where_only_what_is_banned_has_weight_the_rest_is_drawn_uniformly() -> None:
    space = Space({"edge": ["none", "skip", "conv"]})
    strategy = LearntDistribution(
        space, proposals=[], probabilities={"edge": [1.0, 0.0, 0.0]}, banned={"edge": [1, 0, 0]}
    )
    assert {each["edge"] for each in strategy.ask(5)} == {"skip", "conv"}


def test_a_search_evaluates_the_derived_architecture_first() -> None:
    import pandas as pd

    def table(architectures: list[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"total": FLAT.indices(architectures).sum(axis=1)})

    proposal = FLAT.sample(5)
    found = search(
        FLAT, table, new_strategy(FLAT, proposals=[proposal]), objectives=[Objective("total", maximise=True)], budget=30
    )
    assert len(found) == 30 and found["id"][0] == proposal.id


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UsageError, match="needs architecture parameters"):
        make_strategy("derived", FLAT)
    with pytest.raises(UsageError, match="'derived' has no option 'probabilities'"):
        make_strategy("derived", FLAT, learnt={}, probabilities=uniform(FLAT))
    with pytest.raises(UsageError, match="no choice of this space"):
        LearntDistribution(FLAT, proposals=[{"x": 1}], probabilities=uniform(FLAT))
    with pytest.raises(UsageError, match="do not name choice 'c0'"):
        LearntDistribution(FLAT, proposals=[], probabilities={})
