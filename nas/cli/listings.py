"""What `nas list` knows of, shipped and third-party alike."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nas import predictors, search
from nas.costs import COSTS, COUNTED, LATENCY
from nas.data import TASKS, available
from nas.errors import UsageError, did_you_mean
from nas.evaluation import EVALUATORS
from nas.hardware import TARGETS, available_targets
from nas.latency import imported_devices
from nas.methods import METHODS
from nas.parts import Slot
from nas.setup.spaces import SPACES

__all__ = ["LISTED", "listed"]

Row = dict[str, str]

LISTED = ("spaces", "methods", "evaluators", "strategies", "targets", "costs", "predictors", "tasks")


def listed(what: str, results: Path) -> list[Row]:
    """A row for each that a run can name: its name, what it is, and the package that it comes from.

    Args:
        what: one of `LISTED`, or ``data``, the old name of tasks.

    Raises:
        UsageError: nothing is called so.
    """
    rows: dict[str, Callable[[], Iterator[Row]]] = {
        "spaces": lambda: _rows(SPACES),
        "methods": _methods,
        "evaluators": lambda: _rows(EVALUATORS),
        "strategies": lambda: _rows(search.STRATEGIES),
        "targets": lambda: _targets(results),
        "costs": _costs,
        "predictors": lambda: _rows(predictors.PREDICTORS),
        "tasks": _tasks,
        "data": _tasks,
    }
    if what not in rows:
        raise UsageError(f"nas list does not know '{what}'; {did_you_mean(what, (*LISTED, 'runs'))}")
    return list(rows[what]())


def _tasks() -> Iterator[Row]:
    packages = {each.name: each.package for each in TASKS.listing()}
    for name, summary in available().items():
        yield {"name": name, "summary": summary, "from": packages.get(name, "nas")}


def _rows(slot: Slot[Any]) -> Iterator[Row]:
    for each in slot.listing():
        yield {"name": each.name, "summary": each.summary, "from": each.package}


def _methods() -> Iterator[Row]:
    for each in METHODS.listing():
        about = {name: each.description.get(name, "") for name in ("family", "paper")}
        yield {"name": each.name, **about, "summary": each.summary, "from": each.package}


def _costs() -> Iterator[Row]:
    """What every run counts, then what packages register."""
    everywhere = {**COUNTED, LATENCY: "of one inference on the target, milliseconds"}
    for name, summary in everywhere.items():
        yield {"name": name, "summary": summary, "from": "nas"}
    yield from _rows(COSTS)


def _targets(results: Path) -> Iterator[Row]:
    """Those of this machine with their device, those that packages register, imported devices."""
    here = available_targets()
    for each in TARGETS.listing():
        if each.name in here or each.name not in TARGETS.shipped:
            yield {"name": each.name, "summary": here.get(each.name, each.summary), "from": each.package}
    for name, summary in imported_devices(results).items():
        yield {"name": name, "summary": summary, "from": str(results)}
