"""Runs the command line in this process, on a space that trains in a second."""

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nas.cli import main

__all__ = ["TINY", "Outcome", "leftovers", "nas", "search_arguments", "start", "write_config"]

TINY: dict[str, Any] = {
    "space": "chain",
    "space_args": {"layers": [1, 1, 1], "width": 4, "head": 16},
    "data": "digits",
    "limit": 200,
    "constraints": ["flops <= 60% of largest"],
    "candidates": 8,
    "random_baseline": 0,
    "training": {"epochs": 1},
    "finish": {"networks": 0},
    "profile": {"networks": 6, "samples": 20, "seconds": 0.5},
}


@dataclass(frozen=True)
class Outcome:
    """What a command left behind: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The last line on standard error."""
        return self.err.rstrip("\n").rpartition("\n")[2]


def nas(*arguments: object) -> Outcome:
    """Runs ``nas`` with these arguments."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
    return Outcome(code, out.getvalue(), err.getvalue())


def start(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """Starts ``nas`` in a process of its own."""
    command = [sys.executable, "-c", "from nas.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def write_config(folder: Path, **changes: Any) -> Path:
    """A configuration file with the tiny settings and these changes."""
    file = folder / "config-of-this-test.yaml"
    file.write_text(yaml.safe_dump({**TINY, **changes}))
    return file


def search_arguments(folder: Path, *more: object, **changes: Any) -> list[object]:
    """A tiny search into ``folder/results``."""
    config = write_config(folder, **changes)
    return ["search", "--config", config, "--results", folder / "results", "--json", *more]


def leftovers(folder: Path) -> list[str]:
    """Files that a command began and did not finish."""
    hidden = (path for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith(".tmp"))
    return sorted(str(path) for path in hidden if not path.name.endswith(".lock"))
