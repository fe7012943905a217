"""A cluster of three machines that loses workers all the time, and one of its machines for good."""

import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from watched_evaluator import Watched, evaluator, kill_one

from nas.distributed import EvaluationPool, connected
from nas.distributed.cluster import ray_module
from nas.search import Ledger, Objective, Result, make_strategy, search
from nas.space import Architecture

CANDIDATES = 300
KILL_EVERY = 20
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("size", maximise=False)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Three machines with one processor each, which notice within seconds that one of them is gone; of its own."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(str(Path(each).absolute()) for each in sys.path))
    for name, value in {"period_ms": 500, "failure_threshold": 2, "initial_delay_ms": 500, "timeout_ms": 500}.items():
        monkeypatch.setenv(f"RAY_health_check_{name}", str(value))
    ray_module()
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.spare = [made.add_node(num_cpus=1) for _ in range(2)]
    made.wait_for_nodes()
    yield made
    made.shutdown()


def size(architectures: Sequence[Architecture]) -> pd.DataFrame:
    return pd.DataFrame({"size": [len(each.key) + sum(map(len, map(str, each.values()))) for each in architectures]})


@pytest.mark.slow
def test_every_architecture_is_in_the_ledger_once_and_the_front_is_that_of_a_quiet_day(
    cluster: Any, tmp_path: Path
) -> None:
    alone = evaluator()
    space, workers = alone.supernet.space, tmp_path / "workers"
    workers.mkdir()
    done, killed = 0, 0

    def disturb(result: Result) -> None:
        nonlocal done, killed
        done += 1
        if done % KILL_EVERY == 0:
            killed += kill_one(workers)
        if done == CANDIDATES // 2:
            cluster.remove_node(cluster.spare[0], allow_graceful=False)

    with (
        connected(cluster.address),
        EvaluationPool(partial(Watched, workers), alone.supernet, 3) as pool,
        Ledger(tmp_path / "study.db", "chaos", OBJECTIVES) as ledger,
    ):
        settings = {"objectives": OBJECTIVES, "costs": size, "budget": CANDIDATES}
        disturbed = search(
            space, pool, make_strategy("random", space, 3), batch=5, ledger=ledger, on_result=disturb, **settings
        )
        trials = ledger._study.get_trials()
    assert done == CANDIDATES and killed >= 10
    assert sorted(trial.state.name for trial in trials) == ["COMPLETE"] * CANDIDATES
    assert len({trial.user_attrs["key"][0] for trial in trials}) == CANDIDATES
    quiet = search(space, alone, make_strategy("random", space, 3), **settings)
    pd.testing.assert_frame_equal(disturbed, quiet)
