"""The ``nas`` command as a user gives it in a folder of theirs, with a module of theirs in it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["TINY", "best", "candidates", "done", "nas", "search", "tail_of", "without_measurements"]

TINY: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 200,
    "candidates": 8,
    "random_baseline": 3,
    "training": {"epochs": 1},
    "retraining": {"epochs": 2},
    "constraints": ["flops <= 80% of largest"],
}


def nas(folder: Path, *arguments: str, kill_when: Callable[[], bool] | None = None) -> tuple[int, str]:
    """Runs a command in a process of its own, which is killed once the condition holds; its exit code and errors."""
    command = [sys.executable, "-c", "from nas.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder)
    while kill_when is not None and process.poll() is None:
        if kill_when():
            process.kill()
            break
        time.sleep(0.005)
    _, errors = process.communicate()
    return process.returncode, " ".join(errors.split())


def search(
    folder: Path, name: str, settings: Mapping[str, Any], *more: str, kill_when: Callable[[], bool] | None = None
) -> tuple[int, str]:
    """A search of that name with these settings beside the tiny ones."""
    (folder / f"{name}.yaml").write_text(json.dumps({**TINY, **settings}))
    return nas(folder, "search", "--config", f"{name}.yaml", "--name", name, *more, kill_when=kill_when)


def done(outcome: tuple[int, str]) -> None:
    """Sees to it that a command came to its end."""
    assert outcome[0] == 0, outcome[1]


def best(folder: Path, name: str) -> dict[str, Any]:
    """The result of a run, after a look at its files."""
    run = folder / "results" / name
    assert (run / "best.onnx").stat().st_size and (run / "report.html").stat().st_size
    found: dict[str, Any] = json.loads((run / "best.json").read_text())
    return found


def candidates(folder: Path, name: str) -> list[list[str]]:
    """The table of candidates without what was measured."""
    import pandas as pd

    table = pd.read_csv(folder / "results" / name / "candidates.csv", dtype=str)
    kept = [column for column in table if "latency" not in column and "measured" not in column]
    return [kept, *table[kept].fillna("").to_numpy().tolist()]


def without_measurements(result: Any) -> Any:
    """A result without its name, its times and what else another measurement changes."""
    if isinstance(result, list):
        return [without_measurements(each) for each in result]
    if not isinstance(result, dict):
        return result
    volatile = ("run", "sha256", "bytes", "notes")
    return {
        key: without_measurements(each) for key, each in result.items() if "latency" not in key and key not in volatile
    }


def tail_of(folder: Path, name: str) -> str:
    """The log of a run so far."""
    log = folder / "results" / name / "log.jsonl"
    return log.read_text() if log.exists() else ""
