"""Removes a run or a benchmark, whole, and nothing that is none."""

import os
import shutil
from pathlib import Path

from nas.benchmark.records import is_benchmark
from nas.errors import UsageError
from nas.setup.finding import find_run, named_folders
from nas.setup.folder import RunFolder

__all__ = ["find_removable", "remove_run", "removed_size"]


def find_removable(wanted: str, results: Path) -> RunFolder:
    """The folder of a run or a benchmark, by its name or path.

    Raises:
        UsageError: there is neither.
    """
    for folder in named_folders(wanted, results):
        if is_benchmark(folder.path) and not folder.is_run:
            return folder
        if folder.is_run:
            break
    return find_run(wanted, results)


def removed_size(folder: RunFolder) -> tuple[int, int]:
    """How many files it has, and their bytes together.

    Raises:
        UsageError: as :func:`remove_run`.
    """
    _check(folder)
    sizes = [path.lstat().st_size for path in folder.path.rglob("*") if path.is_symlink() or path.is_file()]
    return len(sizes), sum(sizes)


def remove_run(folder: RunFolder) -> None:
    """Removes the folder; killed in the middle, it leaves no half of a run.

    Raises:
        UsageError: it is neither run nor benchmark, a link to one, holds other runs, or is in progress.
    """
    _check(folder)
    with folder.lock():
        doomed = folder.path.with_name(f".{folder.name}.{os.getpid()}.tmp")
        folder.path.rename(doomed)
    shutil.rmtree(doomed)


def _check(folder: RunFolder) -> None:
    path = folder.path
    if not folder.is_run and not is_benchmark(path):
        raise UsageError(f"{path} is no run, so nothing of it is removed.")
    if path.is_symlink():
        raise UsageError(f"{path} is a link to {path.resolve()}; name that folder, or remove the link by itself.")
    inside = [each.parent.name for each in (*path.glob("*/config.yaml"), *path.glob("*/run.json"))]
    if inside:
        raise UsageError(f"{path} holds other runs, such as '{inside[0]}'; remove these by their names first.")
    if folder.is_busy:
        raise UsageError(f"'{folder.name}' is in progress in another process; end that, then remove it.")
