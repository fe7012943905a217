"""Selection by perturbation on planted evaluators."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from nas.errors import UsageError
from nas.search import Projection, derive, select_by_perturbation, selection_rounds
from nas.space import Condition, Space, Subset

OPERATIONS = ("none", "skip", "conv", "pool")
NODE = Subset([0, 1, 2], 2)


def two_cells() -> tuple[Space, dict[str, tuple[object, ...]]]:
    """In each of two kinds of cells: node 2 with two edges, of which both stay, and node 3 with three."""
    choices: dict[str, object] = {}
    uses = {}
    for group in ("normal", "reduce"):
        nodes = {2: Subset([0, 1], 2), 3: NODE}
        for node, subset in nodes.items():
            choices[f"{group}.node_{node}"] = subset
            for source in subset.elements:
                indices = frozenset((i,) for i, kept in enumerate(subset.candidates) if source in kept)
                uses[f"{group}.edge_{source}_{node}"] = ((Condition((f"{group}.node_{node}",), indices),),)
    choices |= dict.fromkeys(uses, OPERATIONS)
    space = Space(choices, uses)
    options = {name: getattr(choice, "options", choice) for name, choice in choices.items()}
    return space, options


SPACE, OPTIONS = two_cells()
UNIFORM = {name: np.full(len(options), 1 / len(options)) for name, options in OPTIONS.items()}
EDGES = [name for name in SPACE.choices if "edge" in name]


class Planted:
    """A supernet whose accuracy falls by the importance of each option that is away; records all that happens."""

    def __init__(self, importance: Mapping[str, object]) -> None:
        self.importance = importance
        self.asked: list[tuple[str, frozenset[int]]] = []
        self.decided: list[tuple[str, tuple[int, ...]]] = []

    def evaluate(self, without: Mapping[str, frozenset[int]]) -> float:
        ((name, gone),) = without.items()
        self.asked.append((name, gone))
        return 0.9 - sum(float(self.importance[name][position]) for position in gone)  # type: ignore[index]

    def decide(self, name: str, kept: tuple[int, ...]) -> None:
        self.decided.append((name, kept))

    def run(self, seed: int = 0, probabilities: Mapping[str, object] = UNIFORM, **others: object) -> list[Projection]:
        """All rounds, one after another."""
        common = {"evaluate": self.evaluate, "decide": self.decide, "options": OPTIONS, **others}
        found = []
        for names in selection_rounds(SPACE, seed, options=OPTIONS):
            found += select_by_perturbation(SPACE, names, probabilities, **common)
        return found


def importances(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.permutation(len(options)) / 20 for name, options in OPTIONS.items()}


@pytest.mark.parametrize("seed", range(4))
def test_the_most_important_option_stays_whatever_the_probabilities_say(seed: int) -> None:
    importance = importances(seed)
    against = {name: 1 - values for name, values in importance.items()}
    kept = {each.name: each.kept for each in Planted(importance).run(seed, against)}
    assert {name: kept[name] for name in EDGES} == {name: (int(np.argmax(importance[name])),) for name in EDGES}
    for group in ("normal", "reduce"):
        two_best = sorted(np.argsort(importance[f"{group}.node_3"])[1:])
        assert kept[f"{group}.node_3"] == tuple(two_best)


def test_the_result_is_a_member_with_what_was_kept() -> None:
    importance = importances(1)
    decisions = Planted(importance).run()
    one_hot = {each.name: np.eye(len(OPTIONS[each.name]))[list(each.kept)].sum(0) for each in decisions}
    found = derive(SPACE, one_hot, options=OPTIONS)
    assert found in SPACE
    for each in decisions:
        if each.name in found:
            wanted = [OPTIONS[each.name][position] for position in each.kept]
            assert found[each.name] == (tuple(wanted) if "node" in each.name else wanted[0])


def test_each_choice_is_decided_once_and_never_looked_at_again() -> None:
    planted = Planted(importances(2))
    decisions = planted.run()
    assert [(each.name, each.kept) for each in decisions] == planted.decided
    assert max(Counter(name for name, _ in planted.decided).values()) == 1
    order = [name for name, _ in itertools.groupby(planted.asked, key=lambda call: call[0])]
    assert order == [name for name, _ in planted.decided]


def test_each_option_is_taken_away_once_and_edges_one_by_one() -> None:
    """Five edges of four operations, and three removals for the node of three, in each of two kinds of cells."""
    planted = Planted(importances(3))
    planted.run()
    assert len(planted.asked) == 2 * (5 * 4 + 3)
    assert {name for name, _ in planted.asked} == {*EDGES, "normal.node_3", "reduce.node_3"}


def test_elements_that_were_lost_stay_away_while_others_are_tried() -> None:
    node = Subset([0, 1, 2, 3], 1)
    calls = []
    importance = [0.2, 0.1, 0.4, 0.3]

    def evaluate(without: Mapping[str, frozenset[int]]) -> float:
        calls.append(without["node"])
        return 1 - sum(importance[position] for position in without["node"])

    decisions = select_by_perturbation(
        Space({"node": node}),
        ["node"],
        {},
        evaluate=evaluate,
        decide=lambda name, kept: None,
        options={"node": node.options},
    )
    assert decisions == [Projection("node", (2,))]
    assert calls == [*({i} for i in range(4)), *({1, i} for i in (0, 2, 3)), *({0, 1, i} for i in (2, 3))]


def test_edges_come_before_nodes_and_kinds_of_cells_go_side_by_side() -> None:
    found = selection_rounds(SPACE, 0, options=OPTIONS)
    assert len(found) == 6
    assert all([name.split(".")[0] for name in names] == ["normal", "reduce"] for names in found)
    assert all("edge" in name for names in found[:5] for name in names)
    assert found[5] == ("normal.node_3", "reduce.node_3")


def test_the_order_is_random_by_the_seed() -> None:
    orders = {tuple(selection_rounds(SPACE, seed, options=OPTIONS)) for seed in range(20)}
    assert len(orders) > 15
    assert selection_rounds(SPACE, 3, options=OPTIONS) == selection_rounds(SPACE, 3, options=OPTIONS)
    firsts = Counter(selection_rounds(SPACE, seed, options=OPTIONS)[0][0] for seed in range(500))
    assert len(firsts) == 5 and min(firsts.values()) > 60


def test_of_equal_accuracies_the_more_probable_option_stays_then_the_first() -> None:
    flat = {name: np.zeros(len(options)) for name, options in OPTIONS.items()}
    likely = {name: np.roll(values, 1) for name, values in importances(5).items()}
    kept = {each.name: each.kept for each in Planted(flat).run(probabilities=likely)}
    assert all(kept[name] == (int(np.argmax(likely[name])),) for name in EDGES)
    assert kept["normal.node_3"] == tuple(sorted(np.argsort(likely["normal.node_3"])[1:]))
    kept = {each.name: each.kept for each in Planted(flat).run()}
    assert {kept[name] for name in EDGES} == {(0,)} and kept["normal.node_3"] == (0, 1)


def test_a_banned_option_is_neither_tried_nor_kept() -> None:
    importance = {name: np.array([0.5, 0.1, 0.2, 0.0])[: len(options)] for name, options in OPTIONS.items()}
    planted = Planted(importance)
    kept = {each.name: each.kept for each in planted.run(banned=dict.fromkeys(EDGES, (True, False, False, False)))}
    assert {kept[name] for name in EDGES} == {(2,)}
    assert len(planted.asked) == 2 * (5 * 3 + 3)


def test_an_accuracy_that_is_not_a_number_is_refused() -> None:
    broken = {name: np.full(len(options), math.nan) for name, options in OPTIONS.items()}
    with pytest.raises(UsageError, match="has score nan; its training has diverged"):
        Planted(broken).run()


def test_a_better_aligned_skip_has_the_larger_weight_though_its_removal_hurts_less() -> None:
    """Two noisy estimates of one map: the mixture of least variance weighs them by the other's variance.

    Skip errs with variance 0.3 and conv with 1.2, uncorrelated, so the optimum gives conv 0.3 / 1.5 = 0.2 and the
    largest weight proposes skip. An evaluator in which conv carries what the network can do keeps conv.
    """
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400_000)
    skip = truth + rng.normal(scale=math.sqrt(0.3), size=truth.size)
    conv = truth + rng.normal(scale=math.sqrt(1.2), size=truth.size)
    shares = np.linspace(0, 1, 101)
    covariance = np.cov(np.stack([skip - truth, conv - truth]))
    variances = [np.array([1 - p, p]) @ covariance @ np.array([1 - p, p]) for p in shares]
    best = shares[int(np.argmin(variances))]
    assert best == pytest.approx(0.2, abs=0.011)
    space = Space({"edge": ["skip", "conv"]})
    probabilities = {"edge": [1 - best, best]}
    assert dict(derive(space, probabilities)) == {"edge": "skip"}
    decisions = select_by_perturbation(
        space,
        ["edge"],
        probabilities,
        evaluate=lambda without: 0.9 - 0.3 * (1 in without["edge"]) - 0.1 * (0 in without["edge"]),
        decide=lambda name, kept: None,
    )
    assert decisions == [Projection("edge", (1,))]
