"""A file of a run that does not hold what it should is told as such."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.errors import UsageError

__all__ = ["naming_damage"]


@contextmanager
def naming_damage(file: Path) -> Iterator[None]:
    """Names the file, whose content is read inside, where something in it is missing or of another kind.

    Raises:
        UsageError: in place of what looking for it raised.
    """
    try:
        yield
    except UsageError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise UsageError(
            f"{file} is damaged, or from another version ({what}); delete it and resume the run."
        ) from None
