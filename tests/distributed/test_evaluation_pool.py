"""Candidates on Ray actors: the same numbers, whatever happens to the workers."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from watched_evaluator import Watched, evaluator, kill_one

from nas.distributed import EvaluationPool
from nas.distributed.pool import shared_with
from nas.errors import UsageError
from nas.setup import resolve
from nas.setup.evaluator import evaluator_of
from nas.space import Architecture


class Devices:
    """Tells which GPUs it sees instead of how good anything is."""

    blocks = blocks_alone = 0

    def __init__(self) -> None:
        self.supernet = nn.Linear(1, 1)

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "all of them")
        number = float(seen) if seen.isdigit() else -1.0
        return pd.DataFrame(
            {"device": [number] * len(architectures), "process": [float(os.getpid())] * len(architectures)}
        )


class Deadly:
    """Ends its process."""

    blocks = blocks_alone = 0

    def __init__(self) -> None:
        self.supernet = nn.Linear(1, 1)

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        os._exit(1)


def some(count: int) -> list[Architecture]:
    space = evaluator().supernet.space
    drawn = (space.sample([7, number]) for number in range(10 * count))
    return list(dict.fromkeys(drawn))[:count]


def gathered(
    pool: EvaluationPool, architectures: list[Architecture], batch: int, when: Callable[[], None] = lambda: None
) -> dict[Architecture, dict[str, float]]:
    """Everything, in batches; ``when`` is called after each that is done. Nothing may come twice."""
    for start in range(0, len(architectures), batch):
        pool.submit(architectures[start : start + batch])
    found: dict[Architecture, dict[str, float]] = {}
    while len(found) < len(architectures):
        for architecture, metrics in pool.collect():
            assert architecture not in found
            found[architecture] = metrics
        when()
    return found


def test_workers_give_the_numbers_of_this_process_also_after_new_weights_and_deaths(ray: Any, tmp_path: Path) -> None:
    here, architectures = evaluator(), some(24)
    with EvaluationPool(partial(Watched, tmp_path), here.supernet, 2, cpus=1) as pool:
        found = gathered(pool, architectures, 6)
        assert [found[each] for each in architectures] == here(architectures).to_dict("records")

        with torch.no_grad():
            for parameter in here.supernet.parameters():
                parameter.mul_(1.5)
        pool.publish(here.supernet)
        due = [1, 2]

        def die() -> None:
            if due and kill_one(tmp_path):  # a worker that is still starting has left no number yet
                due.pop()

        again = gathered(pool, architectures, 3, die)
        assert not due
        assert [again[each] for each in architectures] == here(architectures).to_dict("records")
        assert again != found


@pytest.mark.parametrize(
    ("share", "workers", "devices"), [pytest.param(1.0, 4, [1, 1, 1, 1], marks=pytest.mark.slow), (0.5, 4, [2, 2])]
)
def test_each_worker_sees_its_own_share_of_a_device(ray: Any, share: float, workers: int, devices: list[int]) -> None:
    with EvaluationPool(Devices, nn.Linear(1, 1), workers, cpus=0.5, gpus=share) as pool:
        while pool.free_slots < 2 * workers:
            pool.collect()
        found = gathered(pool, some(workers), 1)
    seen = {(row["device"], row["process"]) for row in found.values()}
    assert -1.0 not in {device for device, _ in seen}
    assert sorted(Counter(device for device, _ in seen).values()) == devices


class Length:
    """Needs no weights, and tells of no blocks."""

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"length": [float(len(each)) for each in architectures]})


@pytest.mark.slow
def test_an_evaluator_without_a_supernet_gets_no_weights(ray: Any) -> None:
    with EvaluationPool(Length, None, 2, cpus=0.5) as pool:
        found = gathered(pool, some(4), 1)
    assert found == {each: {"length": float(len(each))} for each in some(4)}
    assert pool.blocks == pool.blocks_alone == 0


def test_a_batch_that_takes_down_its_workers_is_named(ray: Any) -> None:
    with (
        EvaluationPool(Deadly, nn.Linear(1, 1), 2, cpus=1) as pool,
        pytest.raises(UsageError, match=r"4 workers died of the same batch \(\w+\)"),
    ):
        gathered(pool, some(1), 1)


def test_a_worker_without_the_data_says_so(ray: Any, tmp_path: Path) -> None:
    config = resolve({"data": "npz", "data_dir": str(tmp_path / "nothing")}, "test")
    with (
        EvaluationPool(partial(evaluator_of, config), nn.Linear(1, 1), 1) as pool,
        pytest.raises(UsageError, match=r"worker on [\d.]+: .*nothing"),
    ):
        gathered(pool, some(1), 1)


def test_more_than_the_cluster_has_is_refused(ray: Any) -> None:
    with pytest.raises(UsageError, match=r"workers is 5, which takes 5 GPUs .* has 4; ask for fewer"):
        EvaluationPool(Devices, nn.Linear(1, 1), 5, cpus=0.1, gpus=1)
    with pytest.raises(UsageError, match=r"workers is 9, which takes 9 CPUs .* has 4"):
        EvaluationPool(Devices, nn.Linear(1, 1), 9)


def test_a_full_store_is_told_in_a_sentence(ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(value: object) -> None:
        raise ray.exceptions.ObjectStoreFullError("full")

    monkeypatch.setattr(ray, "put", full)
    with pytest.raises(UsageError, match=r"weights of the supernet .* do not fit"):
        EvaluationPool(Devices, nn.Linear(1, 1), 1)


def test_parameters_lie_in_the_shared_memory_and_buffers_do_not() -> None:
    source, model = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)) for _ in range(2))
    for _ in range(2):
        state = {name: tensor.detach().numpy().copy() for name, tensor in source.state_dict().items()}
        for array in state.values():
            array.flags.writeable = False
        shared_with(model, state)
        assert model[0].weight.data_ptr() == state["0.weight"].ctypes.data
        assert model[1].running_mean.data_ptr() != state["1.running_mean"].ctypes.data
        np.testing.assert_array_equal(model[0].weight.detach().numpy(), state["0.weight"])
        model.train()(torch.randn(2, 1, 4, 4))
        nn.init.ones_(source[0].weight)
