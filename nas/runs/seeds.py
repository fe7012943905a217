"""The same search with several seeds: how much of a result is luck."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

from nas.distributed import connected, each
from nas.runs.bench import Bench
from nas.runs.config import RayConfig, RunConfig
from nas.runs.folder import RunFolder
from nas.runs.place import gpus_each, travelling
from nas.runs.progress import Progress, Silent
from nas.runs.run import run_search

__all__ = ["run_seeds"]


def run_seeds(
    config: RunConfig, count: int, results: Path, name: str, progress: Progress | None = None
) -> dict[str, Any]:
    """Searches with the seed of the configuration and those after it, each as a Ray task and a run of its own.

    The runs are called ``<name>-seed<seed>``, and each can be continued by itself; called again, those that are
    complete are not done again. So many run at a time as Ray has CPUs and GPUs for, at least ``workers``. All machines
    must share the folder of results.

    Returns:
        ``metric``, ``mean`` and ``spread`` (standard deviation) of it on the test split, ``runs`` (their results).

    Raises:
        UsageError: a search cannot be carried out.
    """
    ray = config.ray
    alone = travelling(config).model_copy(update={"workers": None, "ray": RayConfig()})
    searches = [
        (
            alone.model_copy(update={"seed": config.seed + number}),
            results.resolve() / f"{name}-seed{config.seed + number}",
        )
        for number in range(count)
    ]
    bench = Bench(alone)
    with (
        (progress or Silent()).task(f"Searching with {count} seeds", count) as task,
        connected(ray.address, cpus=(config.workers or 1) * ray.cpus_per_worker),
    ):
        gpus = gpus_each(bench, config.workers)
        found = each(_search, searches, cpus=ray.cpus_per_worker, gpus=gpus, on_done=task.update)
    tested = [run["best"][f"test_{bench.metric.name}"] for run in found]
    return {"metric": bench.metric.name, "mean": mean(tested), "spread": stdev(tested), "runs": found}


def _search(search: tuple[RunConfig, Path]) -> dict[str, Any]:
    config, path = search
    return run_search(config, RunFolder(path))
