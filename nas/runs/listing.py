"""The runs of a folder, a row each, from their files alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.errors import UsageError
from nas.setup.config import RunConfig
from nas.setup.folder import RunFolder
from nas.setup.pretrained import called_space

__all__ = ["runs_in"]


def runs_in(results: Path) -> list[dict[str, Any]]:
    """What there is to know of each run, the newest first.

    Returns:
        Rows with ``run``, ``kind``, ``space``, ``task``, ``method``, ``begun`` and ``state`` ("finished", "running",
        "interrupted" or "damaged"), and of a finished search ``metric`` (its name), ``score`` (confirmed), ``test`` and
        ``latency_ms`` of the network that it delivers, None where they are not known.
    """
    folders = (RunFolder(path) for path in (*results.glob("*"), *results.glob("devices/*")) if path.is_dir())
    return sorted(filter(None, map(_row, folders)), key=lambda row: (str(row["begun"]), str(row["run"])), reverse=True)


def _row(folder: RunFolder) -> dict[str, Any] | None:
    """None of a folder that is no run."""
    row: dict[str, Any] = {"run": folder.called, "kind": None, "space": None, "task": None, "method": None}
    row |= {"begun": None, "state": "damaged", "metric": None, "score": None, "test": None, "latency_ms": None}
    try:
        if not folder.is_run:
            return None
        config = folder.read_config()
        row |= {
            "kind": folder.kind,
            "space": called_space(config),
            "task": config.task,
            "method": _method(folder, config),
        }
        row |= {"begun": folder.started.begun}
        found = dict(_figures(folder))
        return {**row, **found, "state": folder.state}
    except UsageError:
        return row


def _method(folder: RunFolder, config: RunConfig) -> str:
    """What trains or evaluates its networks."""
    if folder.kind == "profile":
        return "profile"
    return config.method if config.evaluator == "shared-weights" else config.evaluator


def _figures(folder: RunFolder) -> Iterator[tuple[str, Any]]:
    if folder.kind == "profile" or not folder.best.exists():
        return
    result = folder.read(folder.best, "metric", "best")
    metric, best = result["metric"], result["best"]
    if not isinstance(metric, str) or not isinstance(best, dict):
        raise UsageError(f"{folder.best} is damaged (its best network is no row); delete it and resume the run.")
    yield "metric", metric
    for name, column in (("score", metric), ("test", f"test_{metric}"), ("latency_ms", "latency_ms")):
        yield name, value if isinstance(value := best.get(column), int | float) else None
