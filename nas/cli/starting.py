"""The command ``nas init``."""

from pathlib import Path
from typing import Annotated

import typer

from nas import setup
from nas.cli.terminal import echo

__all__ = ["init"]


def init(file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("run.yaml")) -> None:
    """Write a commented configuration to begin with.

    `nas search --config FILE` searches with it.
    """
    echo(f"  {setup.write_starting_file(file)}")
    echo(f"Edit it, then: nas search --config {file}")
