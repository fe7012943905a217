"""What happens in a run, as lines of JSON in its ``log.jsonl``: read again, and written while candidates are evaluated.

Every line has ``time`` (local, such as 2026-03-01T09:30:00) and ``stage``. Stages ``begin`` and ``end`` (``event``); an
epoch of training tells ``epoch`` (from 0), its losses and its speed; candidates tell ``done``, ``of``, ``metric`` and
``best`` so far (``event`` is ``progress``), at most once a second.
"""

import json
import math
import time
from pathlib import Path
from typing import Any

from nas.report.quantities import label, written
from nas.search import Objective, Result
from nas.setup.folder import RunFolder
from nas.setup.progress import ProgressTask
from nas.space import Fidelity

__all__ = ["Evaluations", "read_events"]

_SECONDS = 1.0


def read_events(log: Path) -> list[dict[str, Any]]:
    """The lines of a log in order; what a kill left of a last line is left out, and so is what is no event."""
    if not log.exists():
        return []
    events = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("stage"), str):
            events.append(event)
    return events


class Evaluations:
    """How far the candidates of a stage are: shown, and logged at most once a second and at their end.

    Args:
        folder: of the run.
        task: where they are shown.
        stage: in which they are evaluated.
        total: how many are asked for, or for how many epochs they are trained together.
        objective: what they are searched by.
        fidelity: how long they are trained.
    """

    def __init__(
        self,
        folder: RunFolder,
        task: ProgressTask,
        stage: str,
        total: int,
        objective: Objective,
        fidelity: Fidelity | None = None,
    ) -> None:
        self.folder, self.task, self.stage, self.total, self.objective = folder, task, stage, total, objective
        self.fidelity = fidelity or Fidelity()
        self.done = 0
        self.best: float | None = None
        self._logged, self._last = 0, time.monotonic()

    def add(self, result: Result) -> None:
        """One more was evaluated."""
        self.folder.started.keep_seconds()
        self.done += self.fidelity.epochs(result.architecture)
        value = result.metrics[self.objective.metric] if result.usable else math.nan
        if not math.isnan(value) and (self.best is None or (value > self.best) == self.objective.maximise):
            self.best = value
        self.task.update(self.done, self._so_far)
        if time.monotonic() - self._last >= _SECONDS:
            self.write()

    @property
    def _so_far(self) -> str:
        """The best until now, in words."""
        if self.best is None:
            return "none fits yet"
        return f"best {label(self.objective.metric).lower()} {written(self.objective.metric, self.best)}"

    def write(self) -> None:
        """Logs where they are now, unless that is logged."""
        if self.done == self._logged:
            return
        self._logged, self._last = self.done, time.monotonic()
        about = {"done": self.done, "of": self.total, "metric": self.objective.metric, "best": self.best}
        self.folder.log(self.stage, event="progress", **about)
