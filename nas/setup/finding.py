"""Finds a run by its name or by the path of its folder, and says how to go on with it."""

import os
import shlex
from os import PathLike
from pathlib import Path

from nas.errors import UsageError, did_you_mean
from nas.setup.folder import RunFolder

__all__ = ["RESULTS_VARIABLE", "find_run", "named_folders", "results_folder", "resuming"]

RESULTS_VARIABLE = "NAS_RESULTS"
"""The environment variable that names the folder of runs."""


def results_folder() -> Path:
    """Where runs are kept unless somebody says otherwise: ``$NAS_RESULTS``, else ``results`` in the current folder."""
    return Path(os.environ.get(RESULTS_VARIABLE) or "results")


def find_run(wanted: str | PathLike[str], results: Path | None = None) -> RunFolder:
    """The folder of a run that was begun.

    Args:
        wanted: its name, ``devices/NAME`` of an imported device, or the path of its folder; a name comes first.
        results: the folder that holds the runs; :func:`results_folder` by default.

    Raises:
        UsageError: there is no such run; the sentence says where it was looked for.
    """
    results, path = results_folder() if results is None else results, Path(wanted).expanduser()
    for folder in named_folders(wanted, results):
        if folder.is_run:
            return folder
    for each in (results / path, path):
        if (each / "benchmark.json").exists():
            raise UsageError(f"'{wanted}' is a benchmark of strategies, not a run; look at {each / 'benchmark.html'}.")
        if (each / "space-study.json").exists():
            raise UsageError(f"'{wanted}' is a study of spaces, not a run; look at {each / 'space-study.html'}.")
    here = path.parent if path.parent != Path() else results
    runs = [each.parent.name for each in (*here.glob("*/config.yaml"), *here.glob("*/run.json"))]
    hint = did_you_mean(path.name, set(runs)) if runs else "there is no run there."
    raise UsageError(
        f"run '{wanted}' does not exist in {results.absolute()} nor as the folder {path.absolute()}; {hint}"
    )


def named_folders(wanted: str | PathLike[str], results: Path) -> list[RunFolder]:
    """What a name or a path can mean, whether anything is there or not, in the order in which it is looked for."""
    path = Path(wanted).expanduser()
    places = (results / path, path) if str(wanted) else ()
    return [RunFolder(each if each.name not in ("", "..") else each.resolve()) for each in places]


def resuming(folder: RunFolder) -> str:
    """The command that goes on with a run."""
    parent = folder.path.parent
    results = parent.parent if folder.called != folder.name else parent
    where = [] if results == results_folder() else ["--results", str(results)]
    return shlex.join(["nas", "resume", folder.called, *where])
