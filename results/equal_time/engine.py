"""`nas search` with a bound on its CPU time: the command as a user types it, in this process."""

import json
import sys
import tempfile
from pathlib import Path

import onnx  # noqa: F401
import onnxruntime  # noqa: F401
import optuna  # noqa: F401
import pandas  # noqa: F401
import torch.onnx  # noqa: F401
from contests import Cell, Delivered, Problem

# What the command imports on its way is imported before the clock starts, as for every arm.
import nas.cli.app
import nas.delivery
import nas.report
import nas.runs  # noqa: F401

__all__ = ["command", "deliver"]


def command(cell: Cell, problem: Problem, results: Path) -> list[str]:
    """The words of the command."""
    contest = problem.contest
    words = ["search", contest.space, "--task", contest.load["name"], "--seed", str(cell.seed), "--name", "run"]
    words += ["--constraint", f"flops <= {cell.bound}% of largest", "--cpu-time", f"{cell.budget:g}"]
    words += ["--results", str(results), "--set", f"space_args={json.dumps(dict(contest.space_args))}"]
    for name in ("image_size", "limit", "length"):
        if name in contest.load:
            words += ["--set", f"{name}={contest.load[name]}"]
    return words + ([] if problem.folder is None else ["--data-dir", str(problem.folder)])


def deliver(problem: Problem) -> Delivered:
    from nas.cli import main

    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        words = command(problem.cell, problem, results)
        try:
            main(words)
        except SystemExit as end:
            if end.code:
                raise
        seconds = problem.clock.spent
        found = json.loads((results / "run" / "best.json").read_text())
        stages = json.loads((results / "run" / "run.json").read_text())["seconds"]
    best, metric = found["best"], problem.data.task.metric.name
    figures = {"test": best[f"test_{metric}"], "validation": best[metric]}
    figures |= {f"test_{end}": best[f"test_{metric}_{end}"] for end in ("low", "high")}
    print("nas", *words, file=sys.stderr)
    architecture = json.dumps(best["architecture"], sort_keys=True)
    return Delivered(None, architecture, best["flops"], seconds, {"seconds": stages}, figures)
