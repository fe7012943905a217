"""What a benchmark or a study has done so far: a line for each part in its folder, so that a killed one goes on."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from nas.errors import UsageError
from nas.files import append_line, write_file

__all__ = ["Records", "is_benchmark"]

Part = TypeVar("Part")
_QUESTION = "question.json"


def is_benchmark(path: Path) -> bool:
    """Whether a folder is that of a benchmark or a study, finished or not."""
    return (path / _QUESTION).exists()


class Records(Generic[Part]):
    """A folder of a benchmark, or of a study.

    Args:
        path: ``results/<name>``.
        kind: what messages call it.
        additions: what may differ when it goes on, as messages say it.
        asked: in plain values what must be the same.
        read: a part of what was done, of the record that :meth:`add` was given.
    """

    def __init__(
        self, path: Path, kind: str, additions: str, asked: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Part]
    ) -> None:
        self.path, self._kind, self._additions, self._question, self._parse = path, kind, additions, asked, read
        self._asked, self._parts = path / _QUESTION, path / "trials.jsonl"

    @contextmanager
    def open(self) -> Iterator[list[Part]]:
        """Keeps others out while the block lasts; gives what was done before.

        Raises:
            UsageError: another process works there, or the folder holds something else.
        """
        others = [] if not self.path.exists() else [each for each in self.path.iterdir() if each.name != ".lock"]
        if others and not is_benchmark(self.path):
            raise UsageError(f"{self.path} is no {self._kind} but holds other files; choose another --name.")
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=0):
                self._check_question()
                yield list(self._read())
        except Timeout:
            raise UsageError(f"{self._kind} '{self.path.name}' is in use by another process; wait for it.") from None

    def add(self, record: Mapping[str, Any]) -> None:
        """Records a part; it is on the disk when this returns."""
        append_line(self._parts, json.dumps(record, allow_nan=False))

    def _check_question(self) -> None:
        if not self._asked.exists():
            write_file(self._asked, json.dumps(self._question, indent=2))
            return
        before = _object(self._asked)
        for key, now in self._question.items():
            if before.get(key) != now:
                raise UsageError(
                    f"{self.path} holds a {self._kind} with {key} {before.get(key)!r}, but {now!r} is asked for; "
                    f"choose another --name. {self._additions} alone may be added."
                )

    def _read(self) -> Iterator[Part]:
        if not self._parts.exists():
            return
        for number, line in enumerate(self._parts.read_text().splitlines(keepends=True), start=1):
            if line.endswith("\n"):  # else a kill left it, and the next part takes its place
                try:
                    yield self._parse(json.loads(line))
                except (ValueError, TypeError):
                    raise UsageError(f"{self._parts}, line {number} is damaged; delete that line.") from None


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is damaged (it is no JSON object); delete that folder and begin again.")
    return found
