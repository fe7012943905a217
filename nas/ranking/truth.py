"""What stand-alone training found: tables against which a ranking is evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UsageError
from nas.evaluation.ranking import FEWEST
from nas.space import Architecture, Notation, Space
from nas.streams import Stream, rng
from nas.tables.architecture_table import Table, as_number, is_blank, open_table
from nas.wording import counted

__all__ = ["Truth", "read_truth"]


@dataclass(frozen=True)
class Truth:
    """What architectures reached when each was trained by itself.

    Attributes:
        path: the table.
        columns: of it.
        architectures: distinct, in the order in which the table first names them.
        trainings: ``[architectures, trainings]``, in the units of the table.
        notes: sentences about rows that were not used as they are.
    """

    path: Path
    columns: tuple[str, ...]
    architectures: list[Architecture]
    trainings: np.ndarray
    notes: tuple[str, ...] = ()

    def sample(self, count: int, seed: int) -> "Truth":
        """So many random architectures, in the same order; all if there are no more.

        Raises:
            UsageError: these are too few to rank.
        """
        if count < FEWEST:
            raise UsageError(f"samples is {count}, but a ranking needs {FEWEST} architectures or more.")
        whole = len(self.architectures)
        if count >= whole:
            return self
        rows = np.sort(rng(seed, Stream.TRUTH_SAMPLE).choice(whole, count, replace=False))
        note = f"{count:,} of {whole:,} architectures of the table were drawn at random with seed {seed}."
        return replace(
            self,
            architectures=[self.architectures[row] for row in rows],
            trainings=self.trainings[rows],
            notes=(*self.notes, note),
        )


def read_truth(
    path: Path, columns: Sequence[str], space: Space, notation: Notation | None = None, input_size: int | None = None
) -> Truth:
    """The architectures of a table and what their trainings reached.

    Architectures are read as :meth:`nas.tables.architecture_table.Table.architectures` does. Each column is a
    training of its own. So is each row of an architecture, if all have as many; else the rows of an architecture are
    averaged. Rows with an empty cell or NaN are dropped.

    Args:
        path: a ``.csv`` or ``.parquet`` file.
        columns: accuracy, or whatever else tells how good a network is, one column for each training.
        space: what the architectures must belong to.
        notation: how the published tables of this space write architectures.
        input_size: height and width in pixels, where the table has rows of several.

    Raises:
        UsageError: the table cannot be read, lacks a column, holds something that is no number or names an
            architecture that is none of the space; fewer than three architectures are left, or all are alike.
    """
    for name in columns:
        if list(columns).count(name) > 1:
            raise UsageError(f"column '{name}' is named twice, but trainings must be independent; name it once.")
    table = open_table(path)
    cells = [table.column(name) for name in columns]
    rows = table.architectures(space, notation, input_size)
    found: dict[Architecture, list[list[float]]] = {}
    for row, architecture in rows:
        values = [_value(column[row], table, row, name) for name, column in zip(columns, cells, strict=True)]
        if not np.isnan(values).any():
            found.setdefault(architecture, []).append(values)
    kept = sum(map(len, found.values()))
    where = f"file '{path}', column{'s' if len(columns) > 1 else ''} {', '.join(columns)}"
    if len(found) < FEWEST:
        raise UsageError(
            f"{where}: numbers of {counted(len(found), 'architecture')} are too few; a ranking needs {FEWEST}."
        )
    trainings, notes = _trainings(list(found.values()))
    if np.ptp(trainings.mean(axis=1)) == 0:
        raise UsageError(f"{where}: all architectures have {trainings.mean():g}, so there is no order to compare with.")
    if left_out := len(table.numbers) - len(rows):
        notes = (f"Left out: {counted(left_out, 'row')} of another input size.", *notes)
    if dropped := len(rows) - kept:
        notes = (f"Rows without a number were dropped: {dropped:,} of {len(rows):,}.", *notes)
    return Truth(path, tuple(columns), list(found), trainings, notes)


def _trainings(values: list[list[list[float]]]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Of the rows of each architecture: ``[architectures, trainings]``, and what there is to say of repeated ones."""
    counts = sorted({len(rows) for rows in values})
    if len(counts) == 1:
        note = f"The {counts[0]} rows of each architecture count as independent trainings."
        return np.array(values).reshape(len(values), -1), (note,) if counts[0] > 1 else ()
    note = f"Architectures have from {counts[0]} to {counts[-1]} rows each, which were averaged."
    return np.array([np.mean(rows, axis=0) for rows in values]), (note,)


def _value(cell: Any, table: Table, row: int, column: str) -> float:
    """The number in a cell, NaN where it is empty."""
    value = as_number(cell)
    if np.isinf(value) or (np.isnan(value) and not is_blank(cell)):
        raise UsageError(f"{table.cell_name(row, column)} holds {cell!r}; expected a finite number, or nothing.")
    return value
