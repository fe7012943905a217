"""A command line of `nas` in the process of a benchmark, whose clock counts it."""

import tempfile

from nas.cli import main

__all__ = ["run_command", "tiny_search"]


def run_command(words: list[str]) -> None:
    """The command, which ends as it does on a terminal.

    Args:
        words: what follows ``nas``.

    Raises:
        SystemExit: it failed.
    """
    try:
        main(words)
    except SystemExit as end:
        if end.code:
            raise


def tiny_search() -> None:
    """Imports all that a search imports, so that the clock can start after it."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["search", "mobilenet", "--task", "digits", "--name", "tiny", "--results", folder, "--epochs", "1"]
        words += ["--constraint", "flops <= 50% of largest", "--candidates", "2", "--set", "limit=64"]
        run_command([*words, "--set", 'space_args={"depths": [1, 2]}'])
