"""A search over a pool that finishes batches in any order, as workers on other machines do."""

import random
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

import nas
from nas.search import Ledger, Objective, Strategy, make_strategy, search
from nas.search.pool import Evaluated
from nas.space import Architecture, Space

SPACE = Space({name: nas.Choice([1, 2, 3, 4]) for name in "abcde"})
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("flops", maximise=False)]
CONSTRAINTS = ["flops <= 2500"]


def accuracy(architectures: Sequence[Architecture]) -> pd.DataFrame:
    return pd.DataFrame({"accuracy": [hash(tuple(each.values())) % 1000 / 1000 for each in architectures]})


def flops(architectures: Sequence[Architecture]) -> pd.DataFrame:
    return pd.DataFrame({"flops": [sum(10**3 * each[name] / 5 for name in "abcde") for each in architectures]})


class UnorderedPool:
    """A pool with so many workers, of which any may be the next to finish."""

    def __init__(self, workers: int, seed: int) -> None:
        self.workers, self.rng = workers, random.Random(seed)
        self.batches: list[list[Architecture]] = []
        self.seen: list[Architecture] = []
        self.idle = 3

    @property
    def free_slots(self) -> int:
        return 0 if self.idle else max(0, self.workers - len(self.batches))

    def submit(self, batch: Sequence[Architecture]) -> None:
        self.batches.append(list(batch))
        self.seen += batch

    def collect(self, seconds: float | None = None) -> list[Evaluated]:
        """Says three times that nothing is ready, as workers that are starting do."""
        if self.idle:
            self.idle -= 1
            return []
        batch = self.batches.pop(self.rng.randrange(len(self.batches)))
        return list(zip(batch, accuracy(batch).to_dict("records"), strict=True))


def table(pool: object, chosen: Strategy, budget: int = 90, ledger: Ledger | None = None) -> pd.DataFrame:
    arguments = {"objectives": OBJECTIVES, "costs": flops, "constraints": CONSTRAINTS}
    return search(SPACE, pool, chosen, budget=budget, batch=8, ledger=ledger, **arguments)


@pytest.mark.parametrize("name", ["random", "exhaustive"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_strategy_that_ignores_results_ends_with_the_table_of_one_process(name: str, seed: int) -> None:
    alone = table(accuracy, make_strategy(name, SPACE, 5))
    together = table(UnorderedPool(5, seed), make_strategy(name, SPACE, 5))
    pd.testing.assert_frame_equal(together, alone)


@pytest.mark.parametrize("name", ["random", "evolution", "local", "nsga2", "exhaustive"])
def test_nothing_is_evaluated_twice_and_the_budget_is_kept(name: str) -> None:
    pool = UnorderedPool(4, 0)
    found = table(pool, make_strategy(name, SPACE, 1))
    assert len(found) == len(set(found["id"])) == len(pool.seen) == len(set(pool.seen)) == 90
    assert found["feasible"].all()


def test_one_worker_gets_what_this_process_does() -> None:
    pool = UnorderedPool(1, 0)
    pd.testing.assert_frame_equal(
        table(pool, make_strategy("evolution", SPACE, 3, population=20)),
        table(accuracy, make_strategy("evolution", SPACE, 3, population=20)),
    )


def test_batches_hold_neighbours_in_the_order_of_keys() -> None:
    pool = UnorderedPool(4, 0)
    search(SPACE, pool, make_strategy("random", SPACE, 0), objectives=OBJECTIVES[:1], budget=32, batch=8)
    keys = [each.key for each in pool.seen[:32]]
    assert keys == sorted(keys)


def test_a_search_that_had_begun_asks_the_pool_for_the_rest_alone(tmp_path: Path) -> None:
    with Ledger(tmp_path / "study.db", "s", OBJECTIVES) as ledger:
        table(accuracy, make_strategy("random", SPACE, 0), budget=40, ledger=ledger)
    pool = UnorderedPool(3, 0)
    with Ledger(tmp_path / "study.db", "s", OBJECTIVES) as ledger:
        found = table(pool, make_strategy("random", SPACE, 0), budget=60, ledger=ledger)
        assert len(pool.seen) == 20 and len(ledger) == 60
    pd.testing.assert_frame_equal(found, table(accuracy, make_strategy("random", SPACE, 0), budget=60))


def test_a_space_that_ends_before_the_budget_ends_the_search() -> None:
    small = Space({"a": nas.Choice([1, 2, 3]), "b": nas.Choice([1, 2])})

    def measured(architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"accuracy": [each["a"] * each["b"] for each in architectures]})

    class Small(UnorderedPool):
        def collect(self, seconds: float | None = None) -> list[Evaluated]:
            self.idle = 0
            batch = self.batches.pop() if self.batches else []
            return list(zip(batch, measured(batch).to_dict("records"), strict=True)) if batch else []

    found = search(small, Small(3, 0), make_strategy("random", small, 0), objectives=OBJECTIVES[:1], budget=50, batch=2)
    assert len(found) == small.size == 6
