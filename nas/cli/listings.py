"""What `nas list` knows of, shipped and third-party alike."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from nas.latency.devices import imported_devices
from nas.parts import Slot
from nas.setup.run_setup import LATENCY
from nas.setup.spaces import SPACES

__all__ = ["Listing", "listed"]

Row = dict[str, str]


class Listing(StrEnum):
    """What can be listed."""

    spaces = "spaces"
    methods = "methods"
    evaluators = "evaluators"
    strategies = "strategies"
    targets = "targets"
    costs = "costs"
    predictors = "predictors"
    tasks = "tasks"
    data = "data"
    """The old name of tasks."""


def listed(what: Listing, results: Path) -> list[Row]:
    """A row for each: its name, what it is, and the package that it comes from."""
    rows = {
        Listing.spaces: lambda: _rows(SPACES),
        Listing.methods: _methods,
        Listing.evaluators: _evaluators,
        Listing.strategies: _strategies,
        Listing.targets: lambda: _targets(results),
        Listing.costs: _costs,
        Listing.predictors: _predictors,
        Listing.tasks: _tasks,
        Listing.data: _tasks,
    }
    return list(rows[what]())


def _evaluators() -> Iterator[Row]:
    from nas.evaluation.evaluators import EVALUATORS

    return _rows(EVALUATORS)


def _strategies() -> Iterator[Row]:
    from nas.search import STRATEGIES

    return _rows(STRATEGIES)


def _predictors() -> Iterator[Row]:
    from nas.predictors import PREDICTORS

    return _rows(PREDICTORS)


def _tasks() -> Iterator[Row]:
    from nas.data import TASKS, available

    packages = {each.name: each.package for each in TASKS.listing()}
    for name, summary in available().items():
        yield {"name": name, "summary": summary, "from": packages.get(name, "nas")}


def _rows(slot: Slot[Any]) -> Iterator[Row]:
    for each in slot.listing():
        yield {"name": each.name, "summary": each.summary, "from": each.package}


def _methods() -> Iterator[Row]:
    from nas.methods import METHODS

    for each in METHODS.listing():
        about = {name: getattr(each.part, name, "") for name in ("family", "paper")}
        yield {"name": each.name, **about, "summary": each.summary, "from": each.package}


def _costs() -> Iterator[Row]:
    """What every run counts, then what packages register."""
    from nas.costs import COSTS, StaticCosts

    everywhere = {**StaticCosts.about, LATENCY: "of one inference on the target, milliseconds"}
    for name, summary in everywhere.items():
        yield {"name": name, "summary": summary, "from": "nas"}
    yield from _rows(COSTS)


def _targets(results: Path) -> Iterator[Row]:
    """Those of this machine with their device, those that packages register, imported devices."""
    from nas.hardware import TARGETS, available_targets

    here = available_targets()
    for each in TARGETS.listing():
        if each.name in here or each.name not in TARGETS.shipped:
            yield {"name": each.name, "summary": here.get(each.name, each.summary), "from": each.package}
    for name, summary in imported_devices(results).items():
        yield {"name": name, "summary": summary, "from": str(results)}
