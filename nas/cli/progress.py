"""Progress bars with the time that is left, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from nas.cli.terminal import TextConsole
from nas.setup import ProgressTask
from nas.wording import printable

__all__ = ["RichProgress"]


class RichProgress:
    """Draws a bar for each stage; where there is no terminal, one line when a stage begins."""

    def __init__(self) -> None:
        self.console = TextConsole(stderr=True)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[ProgressTask]:
        if not self.console.is_terminal:
            self.say(f"{title} …")
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as bars:
            yield _Bar(bars, bars.add_task(printable(title), total=total, note=""))

    def say(self, sentence: str) -> None:
        if self.console.is_terminal:
            self.console.say(sentence)
        else:
            self.console.print(sentence, highlight=False, soft_wrap=True)


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def update(self, completed: int, note: str = "") -> None:
        self._bars.update(self._task, completed=completed, note=printable(note))
