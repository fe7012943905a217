"""`nas search` with a bound on its CPU time: the command as a user types it, in this process."""

import json
import tempfile
from pathlib import Path

from contests import Cell, Delivered, Problem

from nas.cli import main

__all__ = ["before", "command", "deliver"]


def command(cell: Cell, problem: Problem, results: Path) -> list[str]:
    """The words of the command."""
    contest = problem.contest
    words = ["search", contest.space, "--task", contest.load["name"], "--seed", str(cell.seed), "--name", "run"]
    words += ["--constraint", f"flops <= {cell.bound}% of largest", "--cpu-time", f"{cell.budget:g}"]
    words += ["--results", str(results), "--set", f"space_args={json.dumps(dict(contest.space_args))}"]
    for name in ("image_size", "limit", "length"):
        if name in contest.load:
            words += ["--set", f"{name}={contest.load[name]}"]
    for name, value in contest.recipe.model_dump(exclude_unset=True).items():
        words += ["--set", f"training.{name}={value}"]
    return words + ([] if problem.folder is None else ["--data-dir", str(problem.folder)])


def before() -> None:
    """A tiny search, which imports all that a search imports before the clock starts."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["search", "mobilenet", "--task", "digits", "--name", "tiny", "--results", folder, "--epochs", "1"]
        words += ["--constraint", "flops <= 50% of largest", "--candidates", "2", "--set", "limit=64"]
        _run([*words, "--set", 'space_args={"depths": [1, 2]}'])


def deliver(problem: Problem) -> Delivered:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        _run(command(problem.cell, problem, results))
        seconds = problem.clock.spent
        found = json.loads((results / "run" / "best.json").read_text())
        plan = json.loads((results / "run" / "plan.json").read_text())
        stages = json.loads((results / "run" / "run.json").read_text())["seconds"]
    best, metric = found["best"], problem.data.task.metric.name
    figures = {"test": best[f"test_{metric}"], "validation": best[metric]}
    figures |= {f"test_{end}": best[f"test_{metric}_{end}"] for end in ("low", "high")}
    architecture = json.dumps(best["architecture"], sort_keys=True)
    return Delivered(None, architecture, best["flops"], seconds, {"seconds": stages, "plan": plan}, figures)


def _run(words: list[str]) -> None:
    """The command in this process.

    Raises:
        SystemExit: it failed.
    """
    try:
        main(words)
    except SystemExit as end:
        if end.code:
            raise
