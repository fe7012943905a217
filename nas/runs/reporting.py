"""Fills the report with what a run found."""

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nas.nn import Repeat
from nas.report import ReportContent, write_report
from nas.runs.bench import METRIC, Bench
from nas.runs.folder import RunFolder
from nas.space import Architecture
from nas.supernet import active_modules
from nas.training import Epoch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["describe_blocks", "write_run_report"]


def write_run_report(
    bench: Bench,
    folder: RunFolder,
    result: dict[str, Any],
    candidates: "pd.DataFrame",
    baseline: "pd.DataFrame",
    history: Sequence[Epoch],
) -> None:
    """Writes ``report.html`` into the run's folder."""
    config, origin = bench.config, folder.read(folder.origin)
    content = ReportContent(
        title=folder.name,
        summary={
            "space": config.space,
            "method": config.method,
            "strategy": config.strategy,
            "data": config.data,
            "target": f"{bench.target.name}: {bench.target.device()}, threads {config.threads}",
            "constraints": config.constraints,
            "seed": config.seed,
            "command": shlex.join(origin["command"]),
            "versions": origin["versions"],
            "seconds": origin["seconds"],
            "config": config.to_yaml(),
        },
        metric=METRIC,
        cost=bench.cost,
        best=result["best"],
        largest=result["largest"],
        front=result["front"],
        candidates=candidates,
        random=baseline,
        epochs=history,
        blocks=describe_blocks(bench, Architecture(result["best"]["architecture"])),
    )
    write_report(folder.report, content)


def describe_blocks(bench: Bench, architecture: Architecture) -> list[dict[str, Any]]:
    """The network block by block, in order, blocks that its depth leaves out included."""
    costs = {block.path: block for block in bench.costs.blocks(architecture)}
    rows = []
    for path, kind in _all_blocks(bench, costs):
        block = costs.get(path)
        rows.append(
            {
                "path": path,
                "kind": kind,
                "choices": {name: architecture[name] for name in bench.supernet.read_by(path) if name in architecture},
                "skipped": block is None,
                "params": sum(block.parts.values()) if block else 0,
                "flops": block.trace.flops if block else 0,
                "output_shape": list(block.trace.output_shape) if block else [],
            }
        )
    return rows


def _all_blocks(bench: Bench, active: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and class of the active blocks, each stage followed by the blocks that its depth skips."""
    running = {path for path, _ in active_modules(bench.supernet.model)}
    skipped = {
        f"{path}.{name}": type(block).__name__
        for path, module in active_modules(bench.supernet.model)
        if isinstance(module, Repeat)
        for name, block in module.named_children()
        if f"{path}.{name}" not in running
    }
    kinds = {path: block.kind for path, block in active.items()} | skipped
    order = {path: place for place, (path, _) in enumerate(bench.supernet.model.named_modules())}
    return iter(sorted(kinds.items(), key=lambda item: order[item[0]]))
