"""An architecture of a run, as a user names it."""

from collections.abc import Collection
from pathlib import Path

from nas.errors import UsageError
from nas.setup.finding import resuming
from nas.setup.folder import RunFolder
from nas.space import Architecture, Space

__all__ = ["find_architecture"]


def find_architecture(space: Space, folder: RunFolder, wanted: str | None) -> Architecture:
    """The architecture of a run that somebody wants.

    Args:
        wanted: its id in ``candidates.csv`` or how only that begins, its JSON or a ``.json`` file of that, such
            as NNI exports; None for the best.

    Raises:
        UsageError: the run has no result yet, or no such architecture.
    """
    if wanted is None:
        if not folder.best.exists():
            raise UsageError(f"run '{folder.name}' has no result yet; finish it with: {resuming(folder)}")
        return space.architecture(folder.read(folder.best)["best"]["architecture"])
    if wanted.lower().endswith(".json"):
        return space.architecture(Architecture.from_json(_text(Path(wanted))))
    if wanted.lstrip().startswith("{"):
        return space.architecture(Architecture.from_json(wanted))
    table = folder.candidates
    found = _architectures_by_id(table) if table.exists() else {}
    return space.architecture(Architecture.from_json(found[_whole_id(wanted, found, table)]))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"architecture file {path} cannot be read ({error}); name a JSON file.") from None


def _whole_id(wanted: str, known: Collection[str], table: Path) -> str:
    """The one id that is given, or begins so."""
    alike = [wanted] if wanted in known else [each for each in known if wanted and each.startswith(wanted)]
    if not alike:
        raise UsageError(f"architecture '{wanted}' is not in {table}; give an id from there, JSON or a .json file.")
    if len(alike) > 1:
        some = ", ".join(sorted(alike)[:3])
        raise UsageError(
            f"architecture '{wanted}' begins {len(alike)} ids in {table}, such as {some}; give more of it."
        )
    return alike[0]


def _architectures_by_id(table: Path) -> dict[str, str]:
    import pandas as pd

    try:
        rows = pd.read_csv(table, dtype=str)
        return dict(zip(rows["id"], rows["architecture"], strict=True))
    except (ValueError, KeyError) as error:
        raise UsageError(f"{table} is damaged ({error}); give the architecture as JSON instead.") from None
