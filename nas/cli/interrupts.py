"""What Ctrl-C leaves and how to go on, and what others print meanwhile."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import typer

from nas import runs
from nas.cli.options import RESULTS
from nas.cli.terminal import echo

__all__ = ["resumable"]


@contextmanager
def resumable(results: Path, name: str) -> Iterator[None]:
    """Tells of Ctrl-C inside, and how to continue once there is a folder to continue in.

    What libraries print inside goes to standard error, such as Ray's words on workers that died.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except KeyboardInterrupt:
        flag = [] if results == RESULTS else ["--results", str(results)]
        begun = runs.RunFolder(results / name).config.exists()
        advice = f"; continue with: {shlex.join(['nas', 'resume', name, *flag])}" if begun else "."
        echo(f"nas: interrupted{advice}", err=True)
        raise typer.Exit(130) from None
