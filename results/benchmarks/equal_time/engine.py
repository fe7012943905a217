"""`nas search` with a bound on its CPU time, for one bound on FLOPs or for four: the command as a user types it."""

import json
import sys
import tempfile
from pathlib import Path

from contests import SWEPT, Delivered, Problem

sys.path.append(str(Path(__file__).parents[1]))
from own_process import run_command, tiny_search as before

__all__ = ["before", "command", "deliver", "sweep"]


def command(problem: Problem, results: Path) -> list[str]:
    """The words of the command, but for the bound and the time."""
    contest = problem.contest
    words = ["search", contest.space, "--task", contest.load["name"], "--seed", str(problem.seed), "--name", "run"]
    words += ["--results", str(results), "--set", f"space_args={json.dumps(dict(contest.space_args))}"]
    for name in ("image_size", "limit", "length"):
        if name in contest.load:
            words += ["--set", f"{name}={contest.load[name]}"]
    for name, value in contest.recipe.model_dump(exclude_unset=True).items():
        words += ["--set", f"training.{name}={value}"]
    return words + ([] if problem.folder is None else ["--data-dir", str(problem.folder)])


def deliver(problem: Problem) -> Delivered:
    cell = problem.cell
    asked = ["--constraint", f"flops <= {cell.bound}% of largest", "--cpu-time", f"{cell.budget:g}"]
    with tempfile.TemporaryDirectory() as folder:
        run_command([*command(problem, Path(folder)), *asked])
        return _delivered(problem, Path(folder) / "run", problem.clock.spent)


def sweep(problem: Problem) -> list[Delivered]:
    """All bounds by one supernet, in as much time as the other arms have for all of them."""
    bounds, together = ",".join(map(str, SWEPT)), problem.cell.budget * len(SWEPT)
    asked = ["--constraint-sweep", f"flops <= {bounds}% of largest", "--cpu-time", f"{together:g}"]
    with tempfile.TemporaryDirectory() as folder:
        run_command([*command(problem, Path(folder)), *asked])
        seconds = problem.clock.spent / len(SWEPT)
        return [_delivered(problem, Path(folder) / f"run-flops-{bound}", seconds) for bound in SWEPT]


def _delivered(problem: Problem, run: Path, seconds: float) -> Delivered:
    found, plan = (json.loads((run / name).read_text()) for name in ("best.json", "plan.json"))
    stages = json.loads((run / "run.json").read_text())["seconds"]
    best, metric = found["best"], problem.data.task.metric.name
    figures = {"test": best[f"test_{metric}"], "validation": best[metric]}
    figures |= {f"test_{end}": best[f"test_{metric}_{end}"] for end in ("low", "high")}
    architecture = json.dumps(best["architecture"], sort_keys=True)
    return Delivered(None, architecture, best["flops"], seconds, {"seconds": stages, "plan": plan}, figures)
