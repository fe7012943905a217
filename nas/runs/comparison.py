"""Finished searches beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.report.comparison import ComparedRun, write_comparison
from nas.report.content import number
from nas.report.notebook import plain_table
from nas.setup.config import RunConfig
from nas.setup.damage import naming_damage
from nas.setup.finding import find_run, resuming
from nas.setup.folder import RunFolder
from nas.setup.pretrained import called_space
from nas.setup.same_run import flat_settings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunComparison", "compare"]

_FIGURES = ("latency_ms", "params", "flops", "peak_memory_bytes")


@dataclass(frozen=True)
class RunComparison:
    """What runs found, and in what they differ; in a notebook it shows itself as two tables.

    Attributes:
        table: a row for each run: its ``run``, ``space``, ``task``, ``method``, ``strategy``, ``target`` and
            ``seconds``, the metric on the part that confirms and on the test split with their intervals, and the costs
            of the network that it delivers.
        settings: the settings that differ, by key; a column for each run.
        page: the HTML page with the fronts over each other.
    """

    table: "pd.DataFrame"
    settings: "pd.DataFrame"
    page: Path

    def _repr_html_(self) -> str:
        first, second = (
            plain_table(map(str, frame.columns), (list(map(str, row)) for row in frame.itertuples(index=False)))
            for frame in (self.table, self.settings.rename_axis("setting").reset_index())
        )
        return first + second


def compare(
    runs: Sequence[str | PathLike[str]], page: str | PathLike[str] | None = None, *, results: Path | None = None
) -> RunComparison:
    """Compares finished searches of one metric, and writes a page about them.

    Args:
        runs: their names, or the paths of their folders.
        page: the HTML file to write; by default ``comparison.html`` beside the first run.
        results: the folder that holds runs that are named; by default ``$NAS_RESULTS``, else ``results``.

    Raises:
        UsageError: fewer than two runs, one that is no finished search, or runs of different metrics.
    """
    named = [find_run(run, results) for run in runs]
    folders = list({folder.path.resolve(): folder for folder in named}.values())
    if len(folders) < 2:
        raise UsageError("a comparison needs two different runs or more, but only one is named; name another.")
    configs = [folder.read_config() for folder in folders]
    found = [_result(*each) for each in zip(folders, configs, strict=True)]
    metrics = list(dict.fromkeys(str(result["metric"]) for result in found))
    if len(metrics) > 1:
        raise UsageError(f"the runs are of different metrics ({', '.join(metrics)}), so nothing compares them.")
    names = _names(folders)
    rows = [_row(*each, metrics[0]) for each in zip(names, configs, found, strict=True)]
    settings = _differing(configs)
    texts = {key: [*map(_text, values)] for key, values in settings.items()}
    costs = {_cost(*each) for each in zip(configs, found, strict=True)}
    cost = costs.pop() if len(costs) == 1 else "latency_ms"
    about = ("space", "task", "method", "strategy", "target")
    compared = [
        ComparedRun(name, {key: str(row[key]) for key in about}, result["best"], result["front"])
        for name, row, result in zip(names, rows, found, strict=True)
    ]
    path = folders[0].path.parent / "comparison.html" if page is None else Path(page)
    write_comparison(path, compared, metrics[0], cost, texts, _notes(configs, cost))
    import pandas as pd

    frame = pd.DataFrame.from_dict(settings, orient="index", columns=names)
    return RunComparison(pd.DataFrame(rows), frame, path)


def _result(folder: RunFolder, config: RunConfig) -> Mapping[str, Any]:
    if folder.kind != "search":
        raise UsageError(f"run '{folder.name}' is a {folder.kind}, which has no networks to compare; name searches.")
    if not folder.best.exists():
        raise UsageError(f"run '{folder.name}' has no result yet; finish it with: {resuming(folder)}")
    result = folder.result
    with naming_damage(folder.best):
        for row in (result["best"], *result["front"]):
            for name in (result["metric"], f"test_{result['metric']}", _cost(config, result), *_FIGURES):
                number(row, name)
    return result


def _cost(config: RunConfig, result: Mapping[str, Any]) -> str:
    """What a front has on its other axis."""
    return str(result.get("cost") or config.cost or "latency_ms")


def _names(folders: Sequence[RunFolder]) -> list[str]:
    """The names of the runs; their paths where two are called alike."""
    names = [folder.called for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder.path) for folder in folders]


def _row(name: str, config: RunConfig, result: Mapping[str, Any], metric: str) -> dict[str, Any]:
    best = result["best"]
    scores = [f"{part}{metric}{bound}" for part in ("", "test_") for bound in ("", "_low", "_high")]
    how = config.method if config.evaluator == "shared-weights" else config.evaluator
    return {
        "run": name,
        "space": called_space(config),
        "task": config.task,
        "method": how,
        "strategy": config.strategy,
        "target": config.target,
        "seconds": round(sum(result["seconds"].values()), 1),
        **{score: best.get(score) for score in scores},
        **{cost: best.get(cost) for cost in _FIGURES},
    }


def _text(value: Any) -> str:
    """A setting as the page shows it; nothing where it is not given."""
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _differing(configs: Sequence[RunConfig]) -> dict[str, list[Any]]:
    """The settings that are not the same in all runs."""
    flat = [flat_settings(config) for config in configs]
    keys = dict.fromkeys(key for each in flat for key in each)
    values = {key: [each.get(key) for each in flat] for key in keys}
    return {key: each for key, each in values.items() if any(value != each[0] for value in each)}


def _notes(configs: Sequence[RunConfig], cost: str) -> list[str]:
    """What makes figures unlike each other."""
    tasks = {(config.task, config.limit, config.image_size, str(config.data_dir)) for config in configs}
    notes = ["The runs are not of the same data, so their scores are of different tasks."] if len(tasks) > 1 else []
    places = {(config.target, config.dtype, config.threads, config.latency_batch) for config in configs}
    if cost == "latency_ms" and len(places) > 1:
        notes.append("Latencies were measured on different targets or in different ways, so they do not compare.")
    return notes
