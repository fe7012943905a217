"""A search from Python: the same configuration, folder and files as ``nas search``."""

import sys
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from nas.cli.progress import RichProgress
from nas.costs import COSTS
from nas.data import TASKS
from nas.errors import UsageError
from nas.evaluation import EVALUATORS
from nas.hardware import TARGETS
from nas.methods import METHODS
from nas.parts import Slot, import_object
from nas.predictors import PREDICTORS
from nas.result import RunResult
from nas.runs import run_search, search_without_model
from nas.search import STRATEGIES
from nas.setup import (
    Progress,
    RunFolder,
    called_space,
    check_profile,
    find_run,
    free_name,
    on_supernet_of,
    resolve,
    results_folder,
)
from nas.setup.spaces import SPACES

__all__ = ["Run"]

_SLOTS: Mapping[str, Slot[Any]] = {
    "space": SPACES,
    "task": TASKS,
    "method": METHODS,
    "evaluator": EVALUATORS,
    "strategy": STRATEGIES,
    "target": TARGETS,
    "costs": COSTS,
    "profile.predictor": PREDICTORS,
}


class Run:
    """A search that is asked for in Python.

    Args:
        settings: fields of :class:`nas.setup.RunConfig`, by name. A part of the run is a shipped name,
            ``module:object``, or the object itself if it is at the top of a module that other processes can import; a
            group of settings is a mapping, or the model that holds them, such as a :class:`nas.training.Recipe`.

    Raises:
        UsageError: an unknown setting, a value of the wrong type or range, or an object that cannot be found again.

    >>> import nas
    >>> run = Run(space="chain", method=nas.methods.SPOS, training={"epochs": 2}, constraints=["flops <= 1e6"])
    >>> run.config.method, run.config.training.epochs
    ('spos', 2)
    """

    def __init__(self, **settings: Any) -> None:
        values = {key: _plain(key, value) for key, value in settings.items()}
        if values.get("supernet") is not None:
            values = on_supernet_of(find_run(values["supernet"]), values)
        self.config = resolve(values, "nas.Run")

    def search(
        self, name: str | None = None, results: str | PathLike[str] | None = None, progress: Progress | None = None
    ) -> RunResult:
        """Trains, searches, measures and exports, or only searches where there is no model.

        It goes on where a run of that name with the same settings left off.

        Args:
            name: of the run, whose folder is ``results/name``; by default that of the space, or the next that is free.
            results: where runs are kept; by default in ``$NAS_RESULTS``, else in ``results``.
            progress: told of the stages; bars on standard error by default.

        Raises:
            UsageError: the configuration cannot be carried out, or the name belongs to another run.
        """
        parent = results_folder() if results is None else Path(results)
        name = name or free_name(parent, called_space(self.config).rpartition(":")[2])
        folder = RunFolder(parent / name)
        if not folder.config.exists():
            check_profile(self.config)
        searched = run_search if self.config.has_model else search_without_model
        searched(self.config, folder, progress or RichProgress())
        return RunResult(folder.path)

    def __repr__(self) -> str:
        return f"nas.Run(space='{self.config.space}', method='{self.config.method}', strategy='{self.config.strategy}')"


def _plain(key: str, value: Any) -> Any:
    """A setting as a file would hold it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, PathLike):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(f"{key}.{name}", each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(key, each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return _name_of(key, value)


def _name_of(key: str, part: Any) -> str:
    """The shipped name, else ``module:object``, under which every process finds a part."""
    paths = [f"{module}:{name}" for module, name in _definitions(part) if module != "__main__"]
    found = [path for path in paths if import_object(path, key) is part]
    names = [_SLOTS[key].name_of(path) for path in found] if key in _SLOTS else found
    if names:
        return min(names, key=lambda name: ":" in name)
    raise UsageError(
        f"nas.Run: {key} is {part!r}, which is not at the top of a module that can be imported, so workers and a "
        "resumed run would not find it; put it into a module of its own and import it from there."
    )


def _definitions(part: Any) -> list[tuple[str, str]]:
    """Modules and names at their top that are bound to an object: where it is defined if that is known, else all."""
    own = getattr(part, "__module__", None), getattr(part, "__qualname__", None)
    modules = {own[0]: sys.modules[own[0]]} if own[0] in sys.modules and own[1] else dict(sys.modules)
    return [
        (module, name)
        for module, content in modules.items()
        for name, bound in list(getattr(content, "__dict__", {}).items())
        if bound is part and name.isidentifier()
    ]
