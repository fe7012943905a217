"""How a run tells what it is doing; the command line draws it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

__all__ = ["Progress", "ProgressTask", "Silent"]


class ProgressTask(Protocol):
    """One piece of work of known length."""

    def update(self, completed: int, note: str = "") -> None:
        """``completed`` units are done in all."""

    def end(self, reason: str) -> None:
        """The work ends here, though less than its length is done, for a reason in words."""


class Progress(Protocol):
    """Where a run reports its stages."""

    def task(self, title: str, total: int) -> AbstractContextManager[ProgressTask]:
        """Surrounds a piece of work of ``total`` units."""

    def say(self, sentence: str) -> None:
        """One line worth reading."""


class _Ignore:
    def update(self, completed: int, note: str = "") -> None:
        """Nothing is shown."""

    def end(self, reason: str) -> None:
        """Nothing is shown."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[ProgressTask]:
        yield _Ignore()

    def say(self, sentence: str) -> None:
        """Nothing is shown."""
