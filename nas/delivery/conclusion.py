"""The end of a run: its report, then its result."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas.costs import BlockCost
from nas.delivery.confusion import confusion_of
from nas.files import write_file
from nas.hardware import Recorded
from nas.latency.content import latency_content, run_summary, target_name
from nas.latency.model import LatencyModel
from nas.nn import Repeat
from nas.nn.tree import children, modules
from nas.report import ReportContent, write_report
from nas.report.chance import chance_notes
from nas.report.choice import choice_sentences
from nas.setup.folder import RunFolder
from nas.setup.run_setup import LATENCY, Setup
from nas.space import Architecture
from nas.supernet import active_modules
from nas.training import Epoch, read_header
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["describe_blocks", "rewrite_result", "write_result"]


def write_result(
    setup: Setup,
    folder: RunFolder,
    result: dict[str, Any],
    candidates: "pd.DataFrame",
    baseline: "pd.DataFrame",
    history: Sequence[Epoch],
    latency: LatencyModel | None,
) -> None:
    """Writes ``report.html``, which shows no predictions without a latency model, and last of all ``best.json``."""
    options = setup.searched.options if setup.is_differentiable else None
    relaxation = {name: list(map(str, each)) for name, each in options.items()} if options else None
    config, best = setup.config, Architecture(result["best"]["architecture"])
    confusion = confusion_of(setup, folder, best)
    if confusion is not None and confusion.calibration is not None:
        result["best"]["calibration_error"] = confusion.calibration.error
    content = ReportContent(
        title=folder.name,
        summary={
            **_method_summary(setup),
            "strategy": config.strategy,
            "target": target_name(setup),
            **run_summary(setup, folder),
        },
        metric=setup.metric.name,
        selected_by=setup.score,
        maximise=setup.objective.maximise,
        cost=setup.cost,
        own_costs=setup.own_costs.names,
        best=result["best"],
        largest=result["largest"],
        front=result["front"],
        candidates=candidates,
        random=baseline,
        epochs=history,
        blocks=describe_blocks(setup, best),
        latency=latency_content(latency, result["front"]) if latency else None,
        relaxation=relaxation,
        choice=choice_sentences(result),
        controls=result.get("controls"),
        entrants=result.get("selection", {}).get("finish", ()),
        confusion=confusion,
        examples=setup.data.examples,
        notes=[*result["notes"], *chance_notes(result, confusion), *_notes(setup, result)],
    )
    write_report(folder.report, content)
    write_file(folder.best, json.dumps(result, indent=2))


def rewrite_result(setup: Setup, folder: RunFolder, result: dict[str, Any]) -> None:
    """Writes both of a finished run anew, from its files and a result that has changed.

    Raises:
        UsageError: a file of the run is damaged or gone.
    """
    candidates, draws = (folder.read_table(name) for name in ("candidates", "random"))
    unpredicted = [] if setup.needs_latency else [LATENCY]
    candidates = candidates.drop(columns=["measured_latency_ms", "measured_spread_ms", *unpredicted])
    latency = LatencyModel.load(folder.predictor, setup) if setup.needs_latency else None
    history = read_header(folder.supernet)["history"] if setup.traits.needs_supernet else []
    write_result(setup, folder, result, candidates, draws, history, latency)


def _method_summary(setup: Setup) -> dict[str, str]:
    """What evaluated the candidates."""
    config = setup.config
    if not setup.traits.needs_supernet:
        return {"evaluator": config.evaluator}
    sharing = {"sharing": _sharing(setup)} if setup.sharing["banks"] > 1 else {}
    return {"method": config.method, "evaluator": config.evaluator, **sharing}


def _sharing(setup: Setup) -> str:
    """The scheme of the supernet in words."""
    about = setup.sharing
    return (
        f"{about['scheme']}, {counted(about['banks'], 'bank')}, {about['parameters']:,} parameters "
        f"({about['bytes'] / 1e6:.1f} MB with statistics)"
    )


def _notes(setup: Setup, result: dict[str, Any]) -> list[str]:
    """Where latencies come from if nothing was measured."""
    sources = [row["latency_source"] for row in result["front"]]
    if not isinstance(setup.target, Recorded):
        return []
    return [
        *setup.target.notes,
        f"{setup.target.name} is a table, so nothing was measured for this page: latency on the front is recorded "
        f"for {counted(sources.count('recorded'), 'network')} and predicted for {sources.count('predicted'):,}.",
    ]


def describe_blocks(setup: Setup, architecture: Architecture) -> list[dict[str, Any]]:
    """The network block by block, in order, blocks that its depth leaves out included."""
    active = setup.costs.blocks(architecture)
    rows = [(number, 0, _described(setup, block, architecture)) for number, block in enumerate(active)]
    order = {path: number for number, (path, _) in enumerate(modules(setup.costs.supernet.model))}
    for number, (path, kind) in enumerate(_skipped(setup)):
        stage = f"{path.rpartition('.')[0]}."
        inside = [rank for rank, block in enumerate(active) if block.path.startswith(stage)]
        before = inside or [rank for rank, block in enumerate(active) if order.get(block.path, -1) < order[path]]
        choices = {name: architecture[name] for name in setup.supernet.read_by(path) if name in architecture}
        row = {"path": path, "kind": kind, "choices": choices, "skipped": True, "params": 0, "flops": 0}
        rows.append((max(before, default=-1), 1 + number, {**row, "output_shape": []}))
    return [row for _, _, row in sorted(rows, key=lambda each: each[:2])]


def _described(setup: Setup, block: BlockCost, architecture: Architecture) -> dict[str, Any]:
    read = dict.fromkeys(name for path in block.paths for name in setup.supernet.read_by(path))
    return {
        "path": block.path,
        "kind": block.kind,
        "choices": {name: architecture[name] for name in read if name in architecture},
        "skipped": False,
        "params": block.params,
        "flops": block.trace.flops,
        "output_shape": list(block.trace.output_shape),
    }


def _skipped(setup: Setup) -> list[tuple[str, str]]:
    """Path and class of the blocks that the depth of their stage leaves out."""
    model = setup.costs.supernet.model
    running = {path for path, _ in active_modules(model)}
    return [
        (f"{path}.{name}", type(block).__name__)
        for path, module in active_modules(model)
        if isinstance(module, Repeat)
        for name, block in children(module)
        if f"{path}.{name}" not in running
    ]
