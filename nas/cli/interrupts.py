"""What Ctrl-C and SIGTERM leave and how to go on, and what others print meanwhile."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

import typer

from nas import setup
from nas.cli.stopping import exit_code
from nas.cli.terminal import echo

__all__ = ["interruptible", "resumable"]


@contextmanager
def interruptible(advice: Callable[[], str]) -> Iterator[None]:
    """Ends the command with a word of advice when Ctrl-C or SIGTERM ends what is inside."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        code = exit_code(end)
        if code is None:
            raise
        echo(f"nas: interrupted{advice()}", err=True)
        raise typer.Exit(code) from None


@contextmanager
def resumable(folder: setup.RunFolder) -> Iterator[None]:
    """Tells of an interrupt inside, and how to continue once there is a folder to continue in.

    What libraries print inside goes to standard error, such as Ray's words on workers that died.
    """

    def advice() -> str:
        return f"; continue with: {setup.resuming(folder)}" if folder.config.exists() else "."

    with interruptible(advice), redirect_stdout(sys.stderr):
        yield
