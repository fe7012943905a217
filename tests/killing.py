"""Starts the command line in processes that are killed, and compares what runs leave behind."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from nas.runs import run_search
from nas.setup import RunFolder, resolve

__all__ = ["CHAIN", "MOBILENET", "finish", "outcome", "resume", "run", "search"]

CHAIN: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 200,
    "constraints": ["flops <= 80% of largest"],
    "candidates": 15,
    "random_baseline": 3,
    "training": {"epochs": 6},
    "finish": {"networks": 0},
    "profile": {"networks": 20, "samples": 100, "seconds": 2.0},
}

MOBILENET: dict[str, Any] = {
    "space": "mobilenet",
    "space_args": {"widths": [8, 16], "strides": [1, 2], "depths": [1, 2], "stem": 8, "head": 16},
    "data": "digits",
    "constraints": ["flops <= 60% of largest"],
    "candidates": 200,
    "random_baseline": 20,
    "training": {"epochs": 30},
    "finish": {"networks": 0},
}


def finish(folder: Path, settings: dict[str, Any]) -> None:
    """Starts or continues the run in this process, to its end."""
    run_search(resolve(settings, "test"), RunFolder(folder / "run"))


def search(folder: Path, settings: dict[str, Any]) -> list[str]:
    """The arguments of a search called ``run`` in this results folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "given.yaml"
    config.write_text(yaml.safe_dump(settings))
    return ["search", "--config", str(config), "--results", str(folder), "--name", "run", "--json"]


def resume(folder: Path) -> list[str]:
    """The arguments that continue it."""
    return ["resume", "run", "--results", str(folder), "--json"]


def run(arguments: list[str], kill_when: Callable[[], bool] | None = None) -> bool:
    """Runs ``nas``, kills it once the condition holds; whether it came to its end."""
    command = [sys.executable, "-c", "from nas.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while kill_when is not None and process.poll() is None:
        if kill_when():
            process.kill()
            break
        time.sleep(0.005)
    _, err = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), err
    return process.returncode == 0


def outcome(folder: Path) -> tuple[str, str]:
    """The table of candidates and the result, without what was measured."""
    with (folder / "run/candidates.csv").open() as file:
        rows = [
            {name: value for name, value in row.items() if "measured" not in name and name != "latency_ms"}
            for row in csv.DictReader(file)
        ]
    return json.dumps(rows, indent=1), json.dumps(_without_latency((folder / "run/best.json").read_text()), indent=1)


def _without_latency(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_kept)


def _kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if not key.startswith("latency")}
