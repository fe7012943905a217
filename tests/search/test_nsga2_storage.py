from collections.abc import Iterator

import numpy as np
import pytest

from nas.search import Result, nsga2
from nas.search.nsga2_storage import Nsga2Storage
from nas.search.optuna_samplers import OptunaStrategy
from nas.space import Architecture, Space

SPACE = Space({f"choice{number}": list(range(4)) for number in range(6)}, {})
BATCH = 10


def plain(strategy: OptunaStrategy) -> OptunaStrategy:
    """The same with Optuna's own storage."""
    return OptunaStrategy(SPACE, strategy._seed, strategy._sampler)


def proposals(
    strategy: OptunaStrategy, objectives: int, behind: int, batches: int = 30
) -> Iterator[list[Architecture]]:
    """What it proposes when results come so many behind, in disorder, some infeasible or not finite."""
    rng = np.random.default_rng(0)
    waiting: list[Result] = []
    for _ in range(batches):
        asked = strategy.ask(BATCH)
        for architecture in asked:
            values = tuple(map(float, rng.random(objectives))) if rng.random() < 0.9 else None
            waiting.append(Result(architecture, {}, values, float(rng.random() < 0.2)))
        if behind:
            rng.shuffle(waiting)  # type: ignore[arg-type]
        ready = len(waiting) - behind
        strategy.tell(waiting[: max(ready, 0)])
        waiting = waiting[max(ready, 0) :]
        yield asked


@pytest.mark.parametrize("objectives", [1, 2])
@pytest.mark.parametrize("behind", [0, 13])
def test_nsga2_proposes_what_it_does_with_the_whole_study(objectives: int, behind: int) -> None:
    strategy = nsga2(SPACE, 3, population=8)
    assert list(proposals(strategy, objectives, behind)) == list(proposals(plain(strategy), objectives, behind))


def test_what_the_sampler_sees_stops_growing() -> None:
    strategy = nsga2(SPACE, 3, population=8)
    seen = []
    for _ in proposals(strategy, 2, 0, batches=60):
        study = strategy._study
        assert isinstance(study._storage, Nsga2Storage)
        seen.append(len(study.get_trials(deepcopy=False)))
    assert max(seen) <= 20 * BATCH and min(seen[-10:]) <= 6 * BATCH
    assert len(strategy._study.trials) >= 60 * BATCH
