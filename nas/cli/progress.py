"""Progress on standard error: bars with the time used and left; lines with a time stamp where nobody watches."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from nas.cli.terminal import TextConsole
from nas.cli.verbosity import is_quiet
from nas.setup import ProgressTask
from nas.wording import printable

__all__ = ["RichProgress"]

_BAR = 20
"""Characters, so that a note of some words beside it fits 80."""


class RichProgress:
    """A bar for each stage; where there is no terminal, a line for every tenth of it; nothing after ``nas --quiet``.

    A stage that ends before its length is done keeps what it did, and says why.
    """

    def __init__(self) -> None:
        self.console = TextConsole(stderr=True, quiet=is_quiet())

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[ProgressTask]:
        if not self.console.is_terminal:
            self._line(f"{title} …")
            yield _Lines(self._line, title, total)
            return
        self.console.say(title)
        columns = (
            BarColumn(bar_width=_BAR),
            MofNCompleteColumn(),
            TextColumn("used"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self.console) as bars:
            yield _Bar(bars, total)

    def say(self, sentence: str) -> None:
        if self.console.is_terminal:
            self.console.say(sentence)
        else:
            self.console.print(sentence, highlight=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        self.console.print(f"{time.strftime('%H:%M:%S')} {text}", highlight=False, soft_wrap=True)


class _Bar:
    """On a terminal."""

    def __init__(self, bars: Progress, total: int) -> None:
        self._bars, self._task = bars, bars.add_task("", total=total, note="")
        self._done = 0

    def update(self, completed: int, note: str = "") -> None:
        self._done = completed
        self._bars.update(self._task, completed=completed, note=printable(note))

    def end(self, reason: str) -> None:
        self._bars.update(self._task, total=max(1, self._done), completed=max(1, self._done), note="")
        self._bars.console.print(f"ended after {self._done:,}: {reason}", highlight=False)


class _Lines:
    """Into a file or a pipe."""

    def __init__(self, write: Callable[[str], None], title: str, total: int) -> None:
        self._write, self._title, self._total = write, title, total
        self._done = self._tenths = 0

    def update(self, completed: int, note: str = "") -> None:
        self._done, tenths = completed, 10 * completed // max(1, self._total)
        if tenths > self._tenths:
            self._tenths = tenths
            about = f", {note}" if note else ""
            self._write(f"{self._title}: {completed:,} of {self._total:,}{about}")

    def end(self, reason: str) -> None:
        self._write(f"{self._title}: ended after {self._done:,} of {self._total:,}: {reason}")
