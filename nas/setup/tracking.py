"""What trackers are told of a run: the figures of its log, each once however often the run is resumed."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from nas.errors import UsageError
from nas.files import write_file
from nas.setup.config import RunConfig
from nas.setup.damage import naming_damage
from nas.setup.events import read_events
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.setup.same_run import flat_settings
from nas.setup.trackers import Tracker, TrackerName, open_tracker

__all__ = ["tracked"]

_RESULT = "best"
"""Under this trackers find the network that is delivered."""
_STAGES = frozenset({"train", "search", "baseline", "finish", "retrain"})
"""Of a search; other commands write into the same log."""


@contextmanager
def tracked(config: RunConfig, folder: RunFolder, progress: Progress) -> Iterator[None]:
    """While the block lasts the trackers of a run are told what happens in it, and at its end what it found.

    They are told first what the log has and they do not know yet, as where a run was killed or had no tracker. A
    tracker that fails is left out from there on, which is said once.

    Raises:
        UsageError: a tracker that this run has not had before cannot be opened.
    """
    tracking = _Tracking(config, folder, progress)
    folder.listeners.append(tracking.follow)
    finished = False
    try:
        yield
        tracking.conclude()
        finished = True
    finally:
        folder.listeners.remove(tracking.follow)
        tracking.close(finished)


class _Tracking:
    """The trackers that are open, and ``tracked.json``: what each calls the run, and the last step of each stage that
    it was told."""

    def __init__(self, config: RunConfig, folder: RunFolder, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        self._known = _read(folder)
        self._open: dict[str, Tracker] = {}
        for name in dict.fromkeys(config.track):
            if not (folder.is_complete and _RESULT in self._told(name)):
                self._begin(name, flat_settings(config))
        if self._open:
            for event in read_events(folder.log_file):
                self.follow(event)

    def follow(self, event: Mapping[str, Any]) -> None:
        """Tells an event of the log to all that do not know it."""
        step, values = _figures(event)
        if step is not None and values and event["stage"] in _STAGES:
            self._tell(event["stage"], step, values)

    def conclude(self) -> None:
        """Tells the figures of the network that is delivered."""
        if self._open:
            self._tell(_RESULT, 0, _numbers(self._folder.result[_RESULT]))

    def close(self, finished: bool) -> None:
        """Closes all."""
        self._each(lambda _, tracker: tracker.close(finished))

    def _begin(self, name: TrackerName, settings: Mapping[str, Any]) -> None:
        run = self._known[name]["run"] if name in self._known else None
        try:
            with redirect_stdout(sys.stderr):
                self._open[name] = open_tracker(name, self._folder.path, settings, run)
        except Exception as error:  # another package's code can fail in any way
            if run is None:
                raise UsageError(
                    f"track names '{name}', which cannot be opened ({_shown(error)}); set it up as its documentation "
                    "says, or leave it out."
                ) from error
            self._drop(name, error)
            return
        if run is None:
            self._known[name] = {"run": self._open[name].run, "told": {}}
            self._keep()

    def _tell(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        def tell(name: str, tracker: Tracker) -> None:
            if step > self._told(name).get(stage, -1):
                tracker.log(stage, step, values)
                self._told(name)[stage] = step
                self._keep()

        self._each(tell)

    def _each(self, act: Callable[[str, Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            try:
                with redirect_stdout(sys.stderr):
                    act(name, tracker)
            except Exception as error:  # another package's code can fail in any way
                self._drop(name, error)

    def _drop(self, name: str, error: Exception) -> None:
        self._open.pop(name, None)
        self._progress.say(
            f"{name} cannot be told any more ({_shown(error)}); the search goes on without it, and is told whole where "
            "it is resumed."
        )

    def _told(self, name: str) -> dict[str, int]:
        """Stage → its last step that a tracker was told."""
        return self._known[name]["told"] if name in self._known else {}

    def _keep(self) -> None:
        write_file(self._folder.tracked, json.dumps(self._known, indent=2))


def _read(folder: RunFolder) -> dict[str, Any]:
    """What ``tracked.json`` holds, if it is there."""
    if not folder.tracked.exists():
        return {}
    with naming_damage(folder.tracked):
        return {
            name: {"run": each["run"], "told": {**each["told"]}} for name, each in folder.read(folder.tracked).items()
        }


def _figures(event: Mapping[str, Any]) -> tuple[int | None, dict[str, float]]:
    """The step of an event and its figures, named as trackers show them; no step of one without figures."""
    if isinstance(event.get("epoch"), int):
        return event["epoch"], _numbers({name: value for name, value in event.items() if name != "epoch"})
    if isinstance(event.get("done"), int):
        return event["done"], _numbers({f"best_{event.get('metric')}": event.get("best")})
    return None, {}


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    numbers = {name: float(value) for name, value in values.items() if type(value) in (int, float)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _shown(error: Exception) -> str:
    """The first line of what another package says."""
    first = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first}"
