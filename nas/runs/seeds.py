"""The same search with several seeds: how much of a result is luck."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

from nas.distributed import connected, each
from nas.distributed.trials import require_shared_folder
from nas.errors import UsageError
from nas.runs.run import run_search
from nas.setup.config import RayConfig, RunConfig
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress, Silent
from nas.setup.run_setup import Setup
from nas.setup.supernets import find_device
from nas.setup.workers import travelling
from nas.wording import counted

__all__ = ["run_seeds"]


def run_seeds(
    config: RunConfig, count: int, results: Path, name: str, progress: Progress | None = None
) -> dict[str, Any]:
    """Searches with the seed of the configuration and those after it, each as a Ray task and a run of its own.

    The runs are called ``<name>-seed<seed>``, and each can be continued by itself; called again, those that are
    complete are not done again. So many run at a time as Ray has CPUs and GPUs for, at least ``workers``. All machines
    must share the folder of results. Latency is measured while others work: networks are compared with the largest one
    measured in turn, but a number of milliseconds is worth less than one of a search by itself.

    Returns:
        ``metric``, ``mean`` and ``spread`` (standard deviation) of it on the test split, ``runs`` (their results).

    Raises:
        UsageError: a search cannot be carried out.
    """
    ray = config.ray
    if ray.measure_on or ray.train_workers > 1:
        raise UsageError(
            "--seeds runs whole searches side by side, each in one process; drop --measure-on and --train-workers."
        )
    on_gpu = find_device(config.device).type == "cuda"
    gpus = float(on_gpu) if ray.gpus_per_worker is None else ray.gpus_per_worker
    alone = travelling(config, gpus).model_copy(update={"workers": None, "ray": RayConfig()})
    searches = [
        (
            alone.model_copy(update={"seed": config.seed + number}),
            results.resolve() / f"{name}-seed{config.seed + number}",
        )
        for number in range(count)
    ]
    metric = Setup(alone).metric.name
    results.mkdir(parents=True, exist_ok=True)
    with (
        (progress or Silent()).task(f"Searching with {counted(count, 'seed')}", count) as task,
        connected(ray.address, cpus=(config.workers or 1) * ray.cpus_per_worker),
    ):
        require_shared_folder(results, "--results")
        found = each(_search, searches, cpus=ray.cpus_per_worker, gpus=gpus, on_done=task.update)
    tested = [run["best"][f"test_{metric}"] for run in found]
    return {"metric": metric, "mean": mean(tested), "spread": stdev(tested), "runs": found}


def _search(search: tuple[RunConfig, Path]) -> dict[str, Any]:
    config, path = search
    return run_search(config, RunFolder(path))
