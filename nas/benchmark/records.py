"""The trials that a benchmark has made so far: a line each in its folder, so that a killed one goes on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nas.benchmark.question import Question
from nas.benchmark.trial import Trial
from nas.errors import UsageError
from nas.files import append_line, write_file

__all__ = ["Records", "is_benchmark"]

_QUESTION = "question.json"


def is_benchmark(path: Path) -> bool:
    """Whether a folder is that of a benchmark, finished or not."""
    return (path / _QUESTION).exists()


class Records:
    """A folder of a benchmark.

    Args:
        path: ``results/<name>``.
        question: which all of its trials are of.
    """

    def __init__(self, path: Path, question: Question) -> None:
        self.path, self._question = path, question.record()
        self._asked, self._trials = path / _QUESTION, path / "trials.jsonl"

    @contextmanager
    def open(self) -> Iterator[dict[tuple[str, int], Trial]]:
        """Keeps others out while the block lasts; gives what was done before, by strategy and seed.

        Raises:
            UsageError: another process works there, or the folder holds something else.
        """
        others = [] if not self.path.exists() else [each for each in self.path.iterdir() if each.name != ".lock"]
        if others and not is_benchmark(self.path):
            raise UsageError(f"{self.path} is no benchmark but holds other files; choose another --name.")
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=0):
                self._check_question()
                yield {(trial.strategy, trial.seed): trial for trial in self._read()}
        except Timeout:
            raise UsageError(f"benchmark '{self.path.name}' is in use by another process; wait for it.") from None

    def add(self, trial: Trial) -> None:
        """Records a trial; it is on the disk when this returns."""
        append_line(self._trials, json.dumps(trial.record(), allow_nan=False))

    def _check_question(self) -> None:
        if not self._asked.exists():
            write_file(self._asked, json.dumps(self._question, indent=2))
            return
        before = _object(self._asked)
        for key, now in self._question.items():
            if before.get(key) != now:
                raise UsageError(
                    f"{self.path} holds a benchmark with {key} {before.get(key)!r}, but {now!r} is asked for; choose "
                    "another --name. Strategies and seeds alone may be added."
                )

    def _read(self) -> Iterator[Trial]:
        if not self._trials.exists():
            return
        for number, line in enumerate(self._trials.read_text().splitlines(keepends=True), start=1):
            if line.endswith("\n"):  # else a kill left it, and the next trial takes its place
                try:
                    yield Trial.from_record(json.loads(line))
                except (ValueError, TypeError):
                    raise UsageError(f"{self._trials}, line {number} is damaged; delete that line.") from None


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is damaged (it is no JSON object); delete that folder and begin again.")
    return found
