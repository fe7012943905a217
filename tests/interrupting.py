"""Interrupts a run of this process at a piece of work."""

from collections.abc import Iterator
from contextlib import contextmanager

from nas.setup import ProgressTask

__all__ = ["Interrupting"]


class Interrupting:
    """Raises a KeyboardInterrupt in the piece of work whose title has these words, after two of its units."""

    def __init__(self, title: str) -> None:
        self.title, self.said = title, list[str]()

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[ProgressTask]:
        yield _Stop(self.title in title)

    def say(self, sentence: str) -> None:
        """It is kept."""
        self.said.append(sentence)


class _Stop:
    def __init__(self, armed: bool) -> None:
        self.armed = armed

    def end(self, reason: str) -> None:
        """Nothing is shown."""

    def update(self, completed: int, note: str = "") -> None:
        if self.armed and completed >= 2:
            raise KeyboardInterrupt
