"""Strategies that decide how long each architecture is trained, and the budget of epochs that they spend."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from nas.errors import UsageError
from nas.search import Ledger, NothingFeasibleError, Objective, Result, make_strategy, search
from nas.space import Architecture, Fidelity, Space

LEVELS = [1, 3, 9, 27, 81]
PLAIN = Space({f"c{index}": [0, 1, 2] for index in range(4)})
SPACE = PLAIN.product(Space({"epochs": LEVELS}))
SHORT = PLAIN.product(Space({"epochs": LEVELS[:3]}))
WIDE = Space({f"c{index}": [0, 1, 2, 3] for index in range(6)}).product(Space({"epochs": LEVELS}))
FIDELITY = Fidelity.of(SPACE, "epochs")
BEST = {f"c{index}": 2 for index in range(4)}


def value(architecture: Architecture) -> float:
    """All numbers of epochs rank alike; more are better."""
    digits = sum(each * 3**place for place, each in enumerate(FIDELITY.without(architecture).values()))
    return digits + architecture["epochs"] ** 0.5


def evaluate(architectures: Sequence[Architecture]) -> list[dict[str, float]]:
    return [{"accuracy": value(each)} for each in architectures]


def result(architecture: Architecture) -> Result:
    return Result(architecture, {}, (-value(architecture),), 0.0)


def found(name: str, budget: int, space: Space = SPACE, **options: object) -> pd.DataFrame:
    options = {"objectives": "maximise accuracy", "batch": 1, "fidelity": "epochs", **options}
    return search(space, evaluate, name, budget=budget, **options)  # type: ignore[arg-type]


def trained(table: pd.DataFrame) -> list[Architecture]:
    return [Architecture.from_json(each) for each in table["architecture"]]


@pytest.mark.parametrize("batch", [1, 4])
def test_brackets_are_as_published(batch: int) -> None:
    """Table 1 of the paper: 81 epochs at most, a third of each level goes on."""
    strategy = make_strategy("hyperband", WIDE, 0, fidelity="epochs")
    asked: list[Architecture] = []
    while len(asked) < 121 + 49 + 21 + 10 + 5:
        proposals = strategy.ask(batch)
        assert proposals
        asked += proposals
        strategy.tell(list(map(result, proposals)))
    brackets = [[81, 27, 9, 3, 1], [34, 11, 3, 1], [15, 5, 1], [8, 2], [5]]
    level: list[Architecture] = []
    for bracket in brackets:
        for epochs, size in zip(LEVELS[-len(bracket) :], bracket, strict=True):
            before, level, asked = level, asked[:size], asked[size:]
            assert {each["epochs"] for each in level} == {epochs} and len(set(level)) == size
            if size < bracket[0]:
                ranked = sorted(map(FIDELITY.without, before), key=lambda each: -value(FIDELITY.at(each, 81)))
                assert {FIDELITY.without(each) for each in level} == set(ranked[:size])


@pytest.mark.parametrize("name", ["hyperband", "asha"])
def test_where_few_epochs_rank_as_many_do_the_best_is_found_for_a_fraction(name: str) -> None:
    whole = FIDELITY.most * PLAIN.size
    table = found(name, budget=6)
    spent = sum(map(FIDELITY.epochs, trained(table)))
    assert spent <= 6 * FIDELITY.most < whole / 13
    best = Architecture.from_json(table[table["pareto"]]["architecture"].item())
    assert best == FIDELITY.at(BEST, 81)
    assert found("random", budget=6)["accuracy"].max() < table["accuracy"].max(), "six whole trainings miss it"


def test_only_whole_trainings_are_an_end_of_a_search() -> None:
    table = found("hyperband", budget=5)
    whole = [FIDELITY.is_whole(each) for each in trained(table)]
    assert table["feasible"].tolist() == whole and 0 < sum(whole) < len(table)
    with pytest.raises(NothingFeasibleError, match="none of the 81 trainings was of all 81 epochs; evaluate more"):
        found("hyperband", budget=1)


@pytest.mark.parametrize("name", ["random", "evolution", "ridge", "exhaustive"])
def test_other_strategies_train_everything_wholly(name: str) -> None:
    architectures = trained(found(name, budget=30))
    assert len(architectures) == 30 and all(map(FIDELITY.is_whole, architectures))
    plain = search(PLAIN, lambda some: evaluate([FIDELITY.at(each, 81) for each in some]), name, budget=30, batch=1,
                   objectives="maximise accuracy")  # fmt: skip
    assert [FIDELITY.without(each) for each in architectures] == trained(plain), "as where epochs are no choice"


def test_promotions_of_asha_wait_for_nothing() -> None:
    strategy = make_strategy("asha", WIDE, 3, fidelity="epochs")
    first = strategy.ask(7)
    assert {each["epochs"] for each in first} == {1}
    strategy.tell(list(map(result, first[:2])))
    assert strategy.ask(1)[0]["epochs"] == 1, "a third of two is nobody yet"
    strategy.tell([result(first[2])])
    best = max(first[:3], key=value)
    assert strategy.ask(1) == [FIDELITY.at(best, 3)], "although four are still trained"
    for _ in range(300):
        strategy.tell(list(map(result, strategy.ask(1))))
    assert strategy.ask(5), "there is always something to do"


def test_levels_of_asha_hold_about_a_third_of_those_below() -> None:
    strategy = make_strategy("asha", WIDE, 0, fidelity="epochs")
    counts: Counter[int] = Counter()
    for _ in range(400):
        proposals = strategy.ask(1)
        counts.update(each["epochs"] for each in proposals)
        strategy.tell(list(map(result, proposals)))
    assert set(counts) == set(LEVELS) and sum(counts.values()) == 400
    for below, above in itertools.pairwise(LEVELS):
        assert counts[below] // 3 <= counts[above] <= counts[below] // 2, "a newcomer may displace who went on"


@pytest.mark.parametrize("name", ["hyperband", "asha"])
def test_what_costs_too_much_is_replaced_before_it_is_trained(name: str) -> None:
    def costs(architectures: Sequence[Architecture]) -> list[dict[str, float]]:
        return [{"size": float(each["c0"])} for each in architectures]

    table = found(name, budget=5, costs=costs, constraints="size <= 1")
    assert table["size"].max() <= 1
    counts = Counter(each["epochs"] for each in trained(table))
    assert counts[81] >= 1 and counts[1] >= 50, "of 54 architectures that are small enough"


@pytest.mark.parametrize("name", ["hyperband", "asha"])
def test_a_killed_search_ends_like_one_that_was_not(name: str, tmp_path: Path) -> None:
    calls = 0

    def breaks(architectures: Sequence[Architecture]) -> list[dict[str, float]]:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise KeyboardInterrupt
        return evaluate(architectures)

    def with_ledger() -> pd.DataFrame:
        with Ledger(tmp_path / "ledger.db", "s", [Objective("accuracy", maximise=True)]) as ledger:
            return search(SHORT, breaks, name, budget=5, batch=1, objectives="maximise accuracy", ledger=ledger,
                          fidelity="epochs")  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        with_ledger()
    pd.testing.assert_frame_equal(with_ledger(), found(name, 5, SHORT))
    assert calls == 1 + len(found(name, 5, SHORT)), "nothing is trained twice"


@pytest.mark.parametrize(
    ("name", "space", "options", "message"),
    [
        ("hyperband", PLAIN, {"fidelity": None}, "needs trainings of several lengths; give their epochs, such as"),
        ("hyperband", PLAIN, {}, "the choice 'epochs' .* not every architecture of this space has it"),
        ("asha", PLAIN.product(Space({"epochs": [4]})), {}, r"epochs are \[4\]; give two or more"),
        ("asha", PLAIN.product(Space({"epochs": [0.5, 1]})), {}, r"epochs are \[0.5, 1\]; give whole numbers"),
        ("hyperband", SPACE, {"eta": 1}, "hyperband has eta 1; give 2 or more"),
        ("hyperband", SPACE, {"strength": 1}, "strategy 'hyperband' has no option 'strength'"),
    ],
)
def test_mistakes_are_sentences(name: str, space: Space, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_strategy(name, space, **{"fidelity": "epochs", **options})  # type: ignore[arg-type]
