"""Evolution whose population holds none that violates a constraint on costs."""

import numpy as np
import pandas as pd
import pytest

from nas.search import Evolution, Objective, Result, search
from nas.search.early_exit import EarlyExit
from nas.space import Architecture, Space

SPACE = Space({f"c{index}": [1, 2, 3, 4] for index in range(8)})


def params(architectures: list[Architecture]) -> pd.DataFrame:
    return pd.DataFrame({"params": [sum(each.values()) for each in architectures]})


class Watched:
    """The sizes and the worst violation of a strategy's population as results come in."""

    def __init__(self, strategy: Evolution) -> None:
        self.strategy, self.sizes, self.violations = strategy, list[int](), list[float]()
        self.ask = strategy.ask

    def tell(self, results: list[Result]) -> None:
        self.strategy.tell(results)
        population = self.strategy._population
        self.sizes.append(len(population))
        self.violations.append(max((each.violation for each in population), default=0.0))


def run(strategy: Evolution, bound: int = 18) -> tuple[Watched, list[Architecture]]:
    watched, evaluated = Watched(strategy), list[Architecture]()

    def accuracy(architectures: list[Architecture]) -> pd.DataFrame:
        evaluated.extend(architectures)
        scores = [np.dot(list(each.values()), range(8)) for each in architectures]
        return pd.DataFrame({"accuracy": scores})

    search(
        SPACE,
        accuracy,
        watched,  # type: ignore[arg-type]
        objectives=[Objective("accuracy", maximise=True), Objective("params", maximise=False)],
        costs=params,
        constraints=[f"params <= {bound}"],
        budget=200,
        batch=8,
    )
    return watched, evaluated


@pytest.mark.parametrize("seed", range(3))
def test_the_population_keeps_within_the_bound_and_its_size(seed: int) -> None:
    watched, evaluated = run(EarlyExit(SPACE, seed, population=40))
    assert set(watched.violations) == {0.0}
    assert watched.sizes[-1] == 40 == max(watched.sizes)
    assert len(evaluated) == len(set(evaluated)) == 200, "nothing is evaluated twice"
    assert params(evaluated)["params"].max() <= 18


def test_plain_evolution_begins_with_violators() -> None:
    watched, _ = run(Evolution(SPACE, 0, population=40))
    assert max(watched.violations) > 0


def test_what_is_evaluated_is_kept_though_its_score_violates_a_constraint() -> None:
    strategy = EarlyExit(SPACE, 0, population=5)
    results = [
        Result(SPACE.sample(0), {}, (0.0,), 0.5),
        Result(SPACE.sample(1), {}, None, 0.5),
        Result(SPACE.sample(2), {}, None, 0.0),
    ]
    strategy.tell(results)
    assert strategy._population == [results[0], results[2]]
