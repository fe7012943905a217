import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from quick_strategies import QUICK

from nas.errors import UsageError
from nas.search import (
    STRATEGIES,
    Ledger,
    Objective,
    RandomSearch,
    Result,
    ResultIdentity,
    make_strategy,
    needs_fidelity,
    needs_probabilities,
    search,
)
from nas.space import Architecture, Condition, Space

NNI = "nni:TPE"

SPACE = Space(
    {"depth": [1, 2, 3], **{f"k{index}": [3, 5, 7] for index in range(4)}},
    {"k3": [(Condition(("depth",), frozenset({(2,)})),)]},
)
SMALL = Space(
    {"depth": [1, 2], "k0": [3, 5, 7], "k1": [3, 5, 7]}, {"k1": [(Condition(("depth",), frozenset({(1,)})),)]}
)
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("latency_ms", maximise=False)]


def accuracy(architecture: Architecture) -> float:
    return 0.5 + 0.01 * sum(value**0.7 for value in architecture.values()) + 1e-3 * (int(architecture.id, 16) % 17) / 3


class Evaluator:
    """Counts what it evaluates; breaks down at the call with number ``fails_at``."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.seen: list[Architecture] = []
        self.calls = 0
        self.fails_at = fails_at

    def __call__(self, architectures: list[Architecture]) -> pd.DataFrame:
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        self.calls += 1
        self.seen += architectures
        return pd.DataFrame({"id": [a.id for a in architectures], "accuracy": [accuracy(a) for a in architectures]})


def costs(architectures: Sequence[Architecture]) -> pd.DataFrame:
    return pd.DataFrame({"latency_ms": [float(sum(a.values())) / 10 for a in architectures]})


def run(
    name: str, evaluator: Evaluator, ledger: Ledger | None = None, space: Space = SPACE, **changes: object
) -> pd.DataFrame:
    if name == NNI:
        pytest.importorskip("nni", reason="the extra nas-supernet[nni] is not installed")
    arguments = {"objectives": OBJECTIVES, "costs": costs, "budget": 40, "batch": 8, "ledger": ledger, **changes}
    return search(space, evaluator, make_strategy(name, space, 5, costs=costs, **QUICK.get(name, {})), **arguments)


FREE = [name for name in STRATEGIES if not (needs_probabilities(name) or needs_fidelity(name))]
every_strategy = pytest.mark.parametrize("name", [NNI, *FREE])


@every_strategy
def test_the_budget_is_spent_on_distinct_architectures(name: str) -> None:
    evaluator = Evaluator()
    table = run(name, evaluator)
    assert list(table.columns) == ["id", "architecture", "accuracy", "latency_ms", "feasible", "pareto"]
    assert len(set(evaluator.seen)) == len(evaluator.seen) == len(table) == 40
    assert table["architecture"].tolist() == [a.key for a in evaluator.seen]
    assert table["accuracy"].tolist() == [accuracy(a) for a in evaluator.seen]


def test_the_front_is_marked_among_the_feasible() -> None:
    table = run("random", Evaluator(), constraints=["accuracy >= 0.6"])
    assert table["feasible"].tolist() == (table["accuracy"] >= 0.6).tolist()
    assert 0 < table["feasible"].sum() < len(table)
    for number, row in table.iterrows():
        better = table[
            table["feasible"] & (table["accuracy"] >= row["accuracy"]) & (table["latency_ms"] <= row["latency_ms"])
        ]
        equal = (better["accuracy"] == row["accuracy"]) & (better["latency_ms"] == row["latency_ms"])
        assert row["pareto"] == (row["feasible"] and equal.all() and better.index[0] == number)


@pytest.mark.parametrize(("operator", "keeps"), [(">", pd.Series.gt), ("<", pd.Series.lt)])
def test_strict_bounds_keep_the_right_side(operator: str, keeps: Callable[[pd.Series, float], pd.Series]) -> None:
    bound = accuracy(SPACE.sample(3))
    table = run("random", Evaluator(), constraints=[f"accuracy {operator} {bound!r}"])
    assert table["feasible"].tolist() == keeps(table["accuracy"], bound).tolist()
    assert 0 < table["feasible"].sum() < len(table)


def test_duplicates_among_proposals_are_evaluated_once() -> None:
    class Twice:
        def ask(self, n: int) -> list[Architecture]:
            return [SPACE.sample(number) for number in range(n // 2) for _ in range(2)]

        def tell(self, results: Sequence[Result]) -> None:
            pass

    evaluator = Evaluator()
    table = search(SPACE, evaluator, Twice(), objectives=OBJECTIVES, costs=costs, budget=12, batch=8, patience=1)
    assert len(set(evaluator.seen)) == len(evaluator.seen) == len(table) == table["id"].nunique()


@every_strategy
def test_what_violates_a_cheap_constraint_is_never_evaluated(name: str) -> None:
    evaluator = Evaluator()
    table = run(name, evaluator, constraints=["latency_ms <= 60% of largest"], budget=30)
    bound = 0.6 * float(costs([SPACE.largest()])["latency_ms"].iloc[0])
    assert costs(evaluator.seen)["latency_ms"].max() <= bound
    assert table["feasible"].all()
    assert len(table) == 30


@every_strategy
def test_a_killed_search_ends_like_one_that_was_not(name: str, tmp_path: Path) -> None:
    settings = {"constraints": ["latency_ms <= 2.5", "accuracy >= 0.58"], "budget": 20, "batch": 4}
    whole = run(name, Evaluator(), **settings)
    for kill in (2, 1):
        with Ledger(tmp_path / "study.db", "search", OBJECTIVES) as ledger, pytest.raises(KeyboardInterrupt):
            run(name, Evaluator(fails_at=kill), ledger, **settings)
    rest = Evaluator()
    with Ledger(tmp_path / "study.db", "search", OBJECTIVES) as ledger:
        resumed = run(name, rest, ledger, **settings)
        assert len(ledger) == 20
    pd.testing.assert_frame_equal(resumed, whole)
    assert len(rest.seen) < 20


def test_another_identity_is_measured_again_and_a_larger_budget_goes_on(tmp_path: Path) -> None:
    with Ledger(tmp_path / "study.db", "search", OBJECTIVES) as ledger:
        run("evolution", Evaluator(), ledger, budget=20)
        more, other = Evaluator(), Evaluator()
        longer = run("evolution", more, ledger, budget=30)
        assert len(more.seen) == 10
        pd.testing.assert_frame_equal(longer, run("evolution", Evaluator(), budget=30))
        run("evolution", other, ledger, budget=20, identity=ResultIdentity("shared", seed=1))
        assert len(other.seen) == 20


@every_strategy
def test_a_small_space_ends_the_search(name: str) -> None:
    table = run(name, Evaluator(), space=SMALL, budget=10_000)
    assert len(table) == SMALL.size == 12


def test_patience_ends_a_search_without_new_proposals() -> None:
    table = run("random", Evaluator(), constraints=["latency_ms <= 1.6"], patience=4, batch=2)
    feasible = sum(costs(list(SPACE))["latency_ms"] <= 1.6)
    assert 0 < len(table) < min(feasible, 40)


def test_results_are_reported_in_order_after_they_are_recorded(tmp_path: Path) -> None:
    reported: list[Result] = []
    with Ledger(tmp_path / "study.db", "search", OBJECTIVES) as ledger:

        def on_result(result: Result) -> None:
            reported.append(result)
            assert len(ledger) >= len(reported)

        table = run("random", Evaluator(), ledger, on_result=on_result)
    assert [result.architecture.key for result in reported] == table["architecture"].tolist()


def test_a_diverged_architecture_is_infeasible_and_the_search_goes_on(tmp_path: Path) -> None:
    def evaluate(architectures: list[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"accuracy": [math.nan if a["depth"] == 1 else accuracy(a) for a in architectures]})

    with Ledger(tmp_path / "study.db", "search", OBJECTIVES) as ledger:
        table = run("evolution", evaluate, ledger)
        again = run("evolution", Evaluator(fails_at=0), ledger)
    pd.testing.assert_frame_equal(table, again)
    assert table["accuracy"].isna().any()
    assert (table["feasible"] == table["accuracy"].notna()).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"constraints": ["latency_ms <= 0.1"], "patience": 3}, r"'latency_ms <= 0.1' is met by none .* latency_ms 1"),
        ({"constraints": ["accuracy >= 0.99"]}, r"'accuracy >= 0.99' is met by none of the 40 .* accuracy 0\.6"),
        ({"constraints": ["latency <= 2"]}, "did you mean 'latency_ms'"),
        ({"constraints": ["accuracy >= 90% of largest"]}, "bounds the unknown metric 'accuracy'"),
        ({"constraints": ["latency_ms <= 90% of largest"], "costs": None}, "no costs are given"),
        ({"objectives": [Objective("acc", maximise=True)]}, "objective 'acc'.*known are accuracy, latency_ms"),
        ({"budget": 0}, "budget 0"),
        ({"batch": 0}, "batch 0"),
        ({"objectives": []}, "no objectives"),
        ({"costs": Evaluator()}, "'accuracy' is given by both"),
        ({"costs": lambda architectures: costs(architectures[1:])}, "costs gave 7 rows for 8 architectures"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("random", Evaluator(), **changes)


def test_nothing_but_diverged_architectures_is_a_sentence() -> None:
    evaluate: Callable[[list[Architecture]], pd.DataFrame] = lambda a: pd.DataFrame({"accuracy": [math.nan] * len(a)})  # noqa: E731
    with pytest.raises(UsageError, match="none of the 40 architectures tried has finite objectives"):
        run("random", evaluate)


def test_a_strategy_that_proposes_nothing_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandomSearch, "ask", lambda self, n: [])
    with pytest.raises(UsageError, match="the strategy proposed no architecture; see what its ask gives"):
        run("random", Evaluator())
