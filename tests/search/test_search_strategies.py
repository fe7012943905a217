"""Our strategies keep to what every strategy must do, and the learning ones beat random search."""

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import pytest
from quick_strategies import QUICK

from nas.errors import UsageError
from nas.search import (
    STRATEGIES,
    Evolution,
    Objective,
    Result,
    SingleObjective,
    Strategy,
    hypervolume,
    make_strategy,
    needs_costs,
    needs_fidelity,
    needs_probabilities,
    search,
)
from nas.space import Architecture, Condition, Space
from nas.testing import StrategySuite

FLAT = Space({f"c{index}": [1, 2, 3, 4] for index in range(8)})
NESTED = Space(
    {"depth": [1, 2, 3], "a": ["x", "y"], "b": ["x", "y", "z"]},
    {"b": [(Condition(("depth",), frozenset({(1,), (2,)})),)]},
)
FREE = [name for name in STRATEGIES if not (needs_probabilities(name) or needs_fidelity(name) or needs_costs(name))]


def sizes(architectures: Sequence[Architecture]) -> list[dict[str, float]]:
    """What architectures cost."""
    return [{"size": float(sum(str(value) > "1" for value in each.values()))} for each in architectures]


class TestEveryStrategy(StrategySuite):
    @pytest.fixture(autouse=True, params=[*FREE, "nars"])
    def strategy(self, request: pytest.FixtureRequest) -> None:
        self.make = partial(make_strategy, request.param, costs=sizes, **QUICK.get(request.param, {}))
        self.draws = request.param != "exhaustive"


def results_of(space: Space, architectures: Sequence[Architecture]) -> list[Result]:
    """Two objectives from the indices; every fifth is infeasible without evaluation, some after it."""
    results = []
    for architecture in architectures:
        total = float(space.indices([architecture]).sum())
        cheap = int(architecture.id, 16) % 5 == 0
        violation = 0.5 if cheap else 0.25 if total % 7 == 0 else 0.0
        objectives = None if cheap else (-total, total**2 / 10)
        results.append(Result(architecture, {"total": total}, objectives, violation))
    return results


def ask_and_tell(strategy: Strategy, space: Space, rounds: int, batch: int) -> list[list[Architecture]]:
    asked = []
    for _ in range(rounds):
        asked.append(strategy.ask(batch))
        strategy.tell(results_of(space, asked[-1]))
    return asked


@pytest.mark.parametrize("name", [name for name in FREE if name != "exhaustive"])
def test_results_that_were_not_asked_for_are_not_proposed_again(name: str) -> None:
    strategy = make_strategy(name, NESTED, 0, **QUICK.get(name, {}))
    known = list(NESTED)[:10]
    strategy.tell(results_of(NESTED, known))
    seen = {architecture for batch in ask_and_tell(strategy, NESTED, rounds=20, batch=5) for architecture in batch}
    assert seen == set(NESTED) - set(known)


@pytest.mark.parametrize("name", ["evolution", "local", "nsga2", "ridge"])
def test_a_tight_constraint_is_approached_on_violations_alone(name: str) -> None:
    """One architecture in 65,536 is feasible, and nothing is evaluated on the way."""
    strategy = make_strategy(name, FLAT, 1)
    for _ in range(60):
        batch = strategy.ask(25)
        distances = FLAT.indices(batch).sum(axis=1)
        if 0 in distances:
            return
        strategy.tell([Result(a, {}, None, float(d)) for a, d in zip(batch, distances, strict=True)])
    pytest.fail("the feasible architecture was not found in 1,500 proposals")


def test_evolution_lets_the_oldest_die() -> None:
    """With a population of two, the best architecture is forgotten after two others."""
    strategy = Evolution(FLAT, 0, population=2, tournament=2, mutation=0.0, crossover=0.0)
    best, *others = [FLAT.smallest(), FLAT.largest(), FLAT.architecture(dict.fromkeys(FLAT.choices, 3))]
    strategy.tell([Result(best, {}, (0.0,), 0.0)])
    strategy.tell([Result(other, {}, (1.0,), 0.0) for other in others])
    distances = [(FLAT.indices([child]) != FLAT.indices([best])).sum() for child in strategy.ask(10)]
    assert min(distances) > 1


@pytest.mark.parametrize("name", ["random", "evolution", "nsga2"])
def test_a_proposal_costs_less_than_20_ms_after_a_thousand_results(name: str) -> None:
    wide = Space({f"c{index}": [1, 2, 3] for index in range(20)})
    strategy = make_strategy(name, wide, 0)
    ask_and_tell(strategy, wide, rounds=20, batch=50)
    start = time.process_time()
    asked = ask_and_tell(strategy, wide, rounds=2, batch=25)
    assert (time.process_time() - start) / sum(map(len, asked)) < 0.020


def test_mistakes_are_sentences() -> None:
    with pytest.raises(UsageError, match="did you mean 'evolution'"):
        make_strategy("evolutoin", FLAT)
    with pytest.raises(UsageError, match="did you mean 'population'"):
        make_strategy("nsga2", FLAT, 0, populaton=3)
    with pytest.raises(UsageError, match="'random' has no option 'population'; there is none"):
        make_strategy("random", FLAT, 0, population=3)
    with pytest.raises(UsageError, match="population 5 and tournament 6"):
        make_strategy("evolution", FLAT, 0, population=5, tournament=6)


def mean_hypervolume(name: str, seeds: int) -> float:
    """On a separable trade-off of 10 choices with 4 candidates, 150 architectures."""
    space = Space({f"c{index}": [0, 1, 2, 3] for index in range(10)})
    gain = np.random.default_rng(1).normal(size=(10, 4))
    price = np.random.default_rng(2).uniform(0.5, 1.5, size=(10, 1)) * np.arange(1, 5)

    def table(architectures: list[Architecture]) -> pd.DataFrame:
        indices = space.indices(architectures)
        columns = np.arange(10)
        return pd.DataFrame({"gain": gain[columns, indices].sum(1), "price": price[columns, indices].sum(1)})

    objectives = [Objective("gain", maximise=True), Objective("price", maximise=False)]
    volumes = []
    for seed in range(seeds):
        found = search(space, table, make_strategy(name, space, seed), objectives=objectives, budget=150)
        volumes.append(hypervolume(np.stack([-found["gain"], found["price"]], axis=1), [10.0, 45.0]))
    return float(np.mean(volumes))


@pytest.fixture(scope="module")
def random_hypervolume() -> float:
    return mean_hypervolume("random", seeds=5)


@pytest.mark.parametrize("name", ["evolution", "local", "nsga2", "tpe", "ridge"])
def test_learning_beats_random_search(name: str, random_hypervolume: float) -> None:
    assert mean_hypervolume(name, seeds=2 if name == "tpe" else 5) > random_hypervolume


def test_local_search_climbs_to_a_block_that_pays_with_one_of_its_operations_alone() -> None:
    """A second block is worse than none with its smallest operation, and best with its largest."""
    space = Space(
        {"depth": [1, 2], "operation": ["bad", "poor", "good"]},
        {"operation": [(Condition(("depth",), frozenset({(1,)})),)]},
    )
    score = {None: 0.5, "bad": 0.1, "poor": 0.2, "good": 1.0}
    strategy = make_strategy("local", space, 0, starts=1)
    first = Architecture({"depth": 1})
    strategy.tell([Result(first, {}, (0.5,), 0.0)])
    asked = strategy.ask(3)
    assert set(asked) == {Architecture({"depth": 2, "operation": each}) for each in ("bad", "poor", "good")}
    assert max(asked, key=lambda each: score[each.get("operation")])["operation"] == "good"


@pytest.mark.parametrize("name", ["evolution", "local", "tpe"])
def test_who_looks_for_the_best_alone_finds_better_than_who_looks_for_a_front(name: str) -> None:
    """The best of the cheaper half, over seeds, by a score of which every choice has its own part."""
    space = Space({f"c{place}": [0, 1, 2, 3] for place in range(8)})
    worth = np.random.default_rng(0).normal(size=(8, 4))

    def score(architecture: Architecture) -> float:
        return float(sum(worth[place, value] for place, value in enumerate(architecture.values())))

    def evaluate(architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"score": [score(each) for each in architectures]})

    def costs(architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"cost": [float(sum(each.values())) for each in architectures]})

    def best(asked: Strategy) -> float:
        objectives = [Objective("score", maximise=True), Objective("cost", maximise=False)]
        constraints = ["cost <= 12"]
        table = search(
            space, evaluate, asked, objectives=objectives, costs=costs, constraints=constraints, budget=80, batch=10
        )
        return float(table["score"].max())

    found = [
        (best(SingleObjective(make_strategy(name, space, seed))), best(make_strategy(name, space, seed)))
        for seed in range(2 if name == "tpe" else 4)
    ]
    alone, front = np.mean(found, axis=0)
    assert alone > front
