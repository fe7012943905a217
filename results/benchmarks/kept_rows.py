"""Rows of a benchmark in a CSV file: none is computed twice, each says by what it was made."""

import csv
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

__all__ = ["ABOUT", "KeptRows", "about"]

ABOUT = ("versions", "commit", "ended")
"""Columns of :func:`about`."""


class KeptRows:
    """Rows that a benchmark has computed; it goes on where it was stopped, since each is written when it is there.

    Args:
        path: of the CSV file.
        key: the columns that tell a row from all others.
        columns: all of them; what a row lacks stays empty.
    """

    def __init__(self, path: Path, key: Sequence[str], columns: Sequence[str]) -> None:
        self.path, self.key, self.columns = path, key, columns

    def __contains__(self, row: Mapping[str, Any]) -> bool:
        """Whether there is a row with that key."""
        if not self.path.exists():
            return False
        with self.path.open(newline="") as file:
            return self._key_of(row) in {self._key_of(each) for each in csv.DictReader(file)}

    def add(self, row: Mapping[str, Any]) -> None:
        """Adds a line, and a header to a new file; numbers have six digits."""
        is_new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow({name: _short(value) for name, value in row.items()})

    def _key_of(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(_plain(row[name]) for name in self.key)


def about(*names: str) -> dict[str, str]:
    """What a row was made by: versions of these distributions as far as installed, the commit of the tree, the time."""
    installed = {each.name for each in distributions()}
    there = [name for name in names if name in installed]
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=10"]
    commit = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return dict(zip(ABOUT, (", ".join(f"{name} {version(name)}" for name in there), commit, ended), strict=True))


def _plain(value: Any) -> str:
    """A number without what a file adds to it, 60 for 60.0; a text as it is."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return str(value)


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
