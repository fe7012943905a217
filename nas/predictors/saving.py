"""What every saved predictor has in common: sentences for files that are missing, damaged or of something else."""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

from nas.errors import UsageError

__all__ = ["check_guard", "reading"]

_DAMAGE = (ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, RuntimeError, BadZipFile, zlib.error)


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Turns what goes wrong inside while a file is read into a UsageError that says ``what`` it should be."""
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; fit a predictor and save it there first.") from error
    except _DAMAGE as error:
        raise UsageError(f"{path} is no saved {what} ({error}); fit the predictor again.") from error


def check_guard(path: str | Path, saved: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """UsageError if a predictor was saved for another space, target or input shape than is wanted."""
    for key in sorted(saved.keys() | wanted.keys()):
        if saved.get(key) != wanted.get(key):
            raise UsageError(
                f"{path} was fitted for {key} {saved.get(key)!r}, but {wanted.get(key)!r} is wanted; "
                "fit a predictor for it."
            )
