"""The command ``nas rm``."""

import sys
from typing import Annotated

import typer

from nas import runs
from nas.cli.completion import removable_names
from nas.cli.options import RESULTS, Results
from nas.cli.terminal import echo
from nas.errors import UsageError
from nas.wording import counted

__all__ = ["remove"]


def remove(
    run: Annotated[
        list[str],
        typer.Argument(help="Names of runs or benchmarks, or paths of their folders.", autocompletion=removable_names),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    results: Results = RESULTS,
) -> None:
    """Delete runs, or benchmarks, with all of their files.

    What is neither, or is in progress, is refused, and then nothing is deleted.
    """
    folders = list(
        {folder.path.resolve(): folder for folder in (runs.find_removable(name, results) for name in run)}.values()
    )
    sizes = [runs.removed_size(folder) for folder in folders]
    if not yes and not sys.stdin.isatty():
        raise UsageError("nas rm asks before it deletes, and nobody is there to answer; add --yes.")
    for folder, (files, size) in zip(folders, sizes, strict=True):
        if yes or typer.confirm(f"Delete {folder.path} ({counted(files, 'file')}, {size / 1e6:.1f} MB)?", err=True):
            runs.remove_run(folder)
            echo(f"deleted {folder.path}")
