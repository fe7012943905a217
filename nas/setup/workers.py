"""Where the work of a run is done: in this process, or on Ray."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from nas.distributed import EvaluationPool, RemoteMachine, connected, free_of, require, train_banks, train_together
from nas.distributed.trials import require_shared_folder
from nas.problem import Budget
from nas.search import Pool, SerialPool
from nas.setup.config import RunConfig
from nas.setup.evaluator import evaluator_of, known_results
from nas.setup.run_setup import Setup
from nas.setup.supernets import training_of
from nas.space import ArchitectureSet
from nas.training import Epoch

__all__ = ["batch_size", "evaluation", "gpus_each", "place_of", "reserved", "train_elsewhere", "travelling"]

_BATCH = 25
_BATCHES_EACH = 4


@contextmanager
def place_of(config: RunConfig) -> Iterator[None]:
    """Within it Ray is there if the run needs it.

    Raises:
        UsageError: there is no cluster at the address.
    """
    if not _is_spread(config):
        yield
        return
    ray, workers = config.ray, config.workers or 1
    with connected(ray.address, cpus=max(workers, ray.train_workers) * ray.cpus_per_worker):
        yield


@contextmanager
def reserved(setup: Setup) -> Iterator[None]:
    """Within it the machine on which latency is measured is kept for that, if the run names one.

    Raises:
        UsageError: it is not free, or what remains of the cluster has less than the run asks for.
    """
    config, ray = setup.config, setup.config.ray
    if not _is_spread(config):
        yield
        return
    try:
        held = _held(setup)
        each = {"cpus": ray.cpus_per_worker, "gpus": ray.gpus_per_worker or 0.0}
        for name, count in (("workers", config.workers or 1), ("ray.train_workers", ray.train_workers)):
            require(name, count, count=count, **each, held=held)
        yield
    finally:
        if isinstance(setup.target, RemoteMachine):
            setup.target.close()


def train_elsewhere(
    setup: Setup,
    checkpoint: Path,
    budget: Budget | None,
    feasible: ArchitectureSet | None,
    on_epoch: Callable[[Epoch], None],
) -> None:
    """Trains the supernet to the end of its checkpoint, if the run has workers for that; else does nothing.

    Several processes train parts of every batch, or parts of the space where the method cuts it. One process does where
    it gets a GPU and there is none here.
    """
    config, workers = setup.config, setup.config.ray.train_workers
    if workers == 1 and not (config.ray.gpus_per_worker and setup.device.type == "cpu"):
        return
    gpus = gpus_each(setup, workers)
    launch = train_banks if workers > 1 and setup.method.trains_banks_apart else train_together
    launch(
        partial(training_of, travelling(config, gpus), budget, feasible),
        workers,
        checkpoint,
        cpus=config.ray.cpus_per_worker,
        gpus=gpus,
        on_epoch=on_epoch,
    )


@contextmanager
def evaluation(setup: Setup) -> Iterator[Pool]:
    """What evaluates candidates: the evaluator of this process, or workers that hold copies of it."""
    config, called = setup.config, f"evaluator '{setup.config.evaluator}'"
    if config.ray.address is None and (config.workers or 1) == 1:
        yield SerialPool(setup.evaluator, called)
        return
    gpus, folder = gpus_each(setup, config.workers), setup.problem.folder
    if folder is not None and setup.traits.makes_networks and not setup.traits.needs_supernet:
        require_shared_folder(folder, "--results")
    with EvaluationPool(
        partial(evaluator_of, travelling(config, gpus), folder and folder.resolve()),
        setup.searched if setup.traits.needs_supernet else None,
        config.workers,
        cpus=config.ray.cpus_per_worker,
        gpus=gpus,
        held=_held(setup),
        called=called,
    ) as pool:
        yield pool


def batch_size(setup: Setup, pool: Pool, budget: int) -> int:
    """How many candidates are evaluated together: many share more, few keep all workers busy to the end."""
    most = int(getattr(setup.evaluator, "batch", _BATCH))
    if not isinstance(pool, EvaluationPool):
        return most
    return max(1, min(most, -(-budget // (_BATCHES_EACH * pool.workers))))


def gpus_each(setup: Setup, workers: int | None) -> float:
    """The GPUs of each worker: what is asked for, else none on the CPU, else an equal share of all, at most one."""
    asked = setup.config.ray.gpus_per_worker
    if asked is not None or setup.device.type == "cpu":
        return asked or 0.0
    there = int(free_of(_held(setup)).get("GPU", 0.0))
    return 1 / math.ceil((workers or there) / there) if there else 0.0


def travelling(config: RunConfig, gpus: float) -> RunConfig:
    """The configuration for a process that works in another folder, with so many GPUs.

    One without any works on the CPU: Ray would let it see all of them.
    """
    here: dict[str, Any] = {"data_dir": config.data_dir and config.data_dir.resolve()}
    if table := known_results(config):
        here["evaluator_args"] = {**config.evaluator_args, "path": str(Path(table).resolve())}
    return config.model_copy(update=here if gpus else {**here, "device": "cpu"})


def _is_spread(config: RunConfig) -> bool:
    """Whether the run works in more than this process."""
    ray = config.ray
    return (config.workers or 1, ray.train_workers) != (1, 1) or ray.address is not None


def _held(setup: Setup) -> Mapping[str, float]:
    """What the machine on which latency is measured takes from the cluster; takes it."""
    if not isinstance(setup.target, RemoteMachine):
        return {}
    setup.target.open()
    return setup.target.holds
