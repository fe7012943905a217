"""Where the work of a run is done: in this process, or on Ray."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from nas.distributed import EvaluationPool, RemoteMachine, connected, ray_module, require
from nas.runs.bench import Bench
from nas.runs.config import RunConfig
from nas.runs.supernets import evaluator_of
from nas.search import Measure, Pool

__all__ = ["batch_size", "evaluation", "place_of", "reserved"]

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
    with connected(ray.address, cpus=max(workers * ray.cpus_per_worker, ray.train_workers)):
        yield


@contextmanager
def reserved(bench: Bench) -> Iterator[None]:
    """Within it the machine on which latency is measured is kept for that, if the run names one.

    Raises:
        UsageError: it is not free, or what remains of the cluster has less than the run asks for.
    """
    config, ray = bench.config, bench.config.ray
    if not _is_spread(config):
        yield
        return
    try:
        held = _held(bench)
        workers, gpus = config.workers or 1, ray.gpus_per_worker or 0.0
        require("workers", workers, count=workers, cpus=ray.cpus_per_worker, gpus=gpus, held=held)
        require("ray.train_workers", ray.train_workers, count=ray.train_workers, cpus=1, held=held)
        yield
    finally:
        if isinstance(bench.target, RemoteMachine):
            bench.target.close()


@contextmanager
def evaluation(bench: Bench) -> Iterator[Measure | Pool]:
    """What evaluates candidates: the evaluator of this process, or workers that hold copies of it."""
    config = bench.config
    if config.ray.address is None and (config.workers or 1) == 1:
        yield bench.evaluator
        return
    gpus = _gpus(config) if bench.device.type == "cuda" else config.ray.gpus_per_worker or 0.0
    here = config.model_copy(update={"data_dir": config.data_dir and config.data_dir.resolve()})
    with EvaluationPool(
        partial(evaluator_of, here),
        bench.searched,
        config.workers,
        cpus=config.ray.cpus_per_worker,
        gpus=gpus,
        held=_held(bench),
    ) as pool:
        yield pool


def batch_size(evaluate: Measure | Pool, budget: int) -> int:
    """How many candidates are evaluated together: many share more, few keep all workers busy to the end."""
    if not isinstance(evaluate, EvaluationPool):
        return _BATCH
    return max(1, min(_BATCH, -(-budget // (_BATCHES_EACH * evaluate.workers))))


def _is_spread(config: RunConfig) -> bool:
    """Whether the run works in more than this process."""
    ray = config.ray
    return (config.workers or 1, ray.train_workers) != (1, 1) or ray.address is not None


def _held(bench: Bench) -> Mapping[str, float]:
    """What the machine on which latency is measured takes from the cluster; takes it."""
    if not isinstance(bench.target, RemoteMachine):
        return {}
    bench.target.open()
    return bench.target.holds


def _gpus(config: RunConfig) -> float:
    """The GPUs of each worker: what is asked for, else an equal share of all."""
    if config.ray.gpus_per_worker is not None:
        return config.ray.gpus_per_worker
    there: float = ray_module().cluster_resources().get("GPU", 0.0)
    return min(1.0, there / (config.workers or max(there, 1.0)))
