"""What the shell completes beside commands and options: names of runs, and of the parts that a run is made of."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from nas.benchmark.records import is_benchmark
from nas.parts import Slot
from nas.setup import RunFolder, results_folder

__all__ = ["part_names", "removable_names", "run_names", "run_or_import_names"]

_RUNS = ("*",)
_RUNS_AND_IMPORTS = ("*", "devices/*")


def part_names(slot: Slot[Any]) -> Callable[[str], list[str]]:
    """Completes the names that ship or that packages register; none is imported for it."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in slot if name.startswith(incomplete)]

    return complete


def run_names(ctx: typer.Context) -> list[str]:
    """Completes searches and profiles of the folder that ``--results`` names before, else of the usual one."""
    return [folder.called for folder in _folders(ctx, _RUNS) if folder.is_run]


def run_or_import_names(ctx: typer.Context) -> list[str]:
    """As :func:`run_names`, and ``devices/NAME`` of imported devices."""
    return [folder.called for folder in _folders(ctx, _RUNS_AND_IMPORTS) if folder.is_run]


def removable_names(ctx: typer.Context) -> list[str]:
    """As :func:`run_or_import_names`, and benchmarks."""
    found = _folders(ctx, _RUNS_AND_IMPORTS)
    return [folder.called for folder in found if folder.is_run or is_benchmark(folder.path)]


def _folders(ctx: typer.Context, patterns: Sequence[str]) -> list[RunFolder]:
    results = Path(ctx.params.get("results") or results_folder())
    return [RunFolder(path) for pattern in patterns for path in sorted(results.glob(pattern))]
