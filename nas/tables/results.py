"""What others found about architectures, looked up: a table of results as an evaluator that trains nothing."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nas.errors import UsageError
from nas.space import EPOCHS, Architecture, Notation, Space
from nas.streams import Stream, rng
from nas.tables.architecture_table import Table, as_number, is_blank, open_table
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "TableResults"]

Columns = Sequence[str] | Mapping[str, str | Sequence[str]]
"""Columns by name, or what each metric is called → its column, or its columns, one for each training."""

_EPOCHS = ("epochs", "epoch")


class TableResults:
    """A CSV, parquet or JSON table of known results.

    Architectures are read as :meth:`nas.tables.architecture_table.Table.architectures` does. An architecture may have
    been trained several times: then it has several rows, or a metric has several columns.

    Args:
        space: that the table is of.
        path: of the table.
        metrics: its columns that are read; by default the one that holds numbers, if it is one alone.
        test: its column that tells how good the network is in the end, which no search reads.
        where: column → the value of the rows that count, such as {epochs: 12} for a lower fidelity.
        repeats: what several trainings of an architecture tell: their mean, that of the one that the seed draws, or
            they are refused where they differ.
        missing: what becomes of an architecture without a row, or without a number in it: it is refused, or it counts
            as one that cannot be used.
        costs: its columns that are known before an evaluation, such as parameters: constraints on them are checked
            before, and what violates them is not evaluated.
        seed: of the training that is drawn.
        notation: how the published tables of this space write architectures.
        input_size: height and width in pixels of the images that networks see, for tables that tell of several.

    Attributes:
        metrics: names of what an evaluation gives.
        fidelity: a digest of the file.
        notes: what a user should know: that rows which differ are averaged.

    Raises:
        UsageError: the table cannot be read, lacks a column or names an architecture that is none of the space.
    """

    def __init__(
        self,
        space: Space,
        path: str,
        metrics: Columns | None = None,
        test: str | Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        repeats: Literal["averaged", "drawn", "refused"] = "averaged",
        missing: Literal["refused", "infeasible"] = "refused",
        *,
        seed: int = 0,
        notation: Notation | None = None,
        input_size: int | None = None,
        costs: Sequence[str] = (),
    ) -> None:
        self.path, self.missing, self._repeats, self._seed = Path(path), missing, repeats, seed
        table = open_table(self.path)
        read = _by_name(table, metrics, {*space.choices, *(notation.columns if notation else ())})
        read = {name: column for name, column in read.items() if name not in costs}
        self.metrics, self.costs = list(read), list(costs)
        columns = [*read.values(), *([name] for name in costs), *([] if test is None else [_listed(test)])]
        cells = [[table.column(name) for name in names] for names in columns]
        kept = _rows_where(table, where or {}, space)
        found: dict[str, list[int]] = {}
        for row, architecture in table.architectures(space, notation, input_size):
            if row in kept:
                found.setdefault(architecture.key, []).append(row)
        _check_numbers(table, [name for names in columns for name in names], kept)
        self._known: dict[str, list[float]] = {}
        """By key of the architecture: the metrics, the costs, then the test figure if there is one."""
        for key, rows in found.items():
            trainings = [[as_number(cell[row]) for row in rows for cell in columns] for columns in cells]
            self._known[key] = [self._told(key, each) for each in trainings]
        self.notes = self._averaging([_differ(rows, cells) for rows in found.values()])
        self.fidelity = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._known)

    def __call__(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """One row for each architecture, with the columns ``metrics``.

        Raises:
            UsageError: the table does not tell an architecture, and is expected to.
        """
        import pandas as pd

        return pd.DataFrame([self.row(architecture) for architecture in architectures], columns=self.metrics)

    def row(self, architecture: Architecture) -> dict[str, float]:
        """The metrics of one architecture."""
        return self._told_of(architecture, self.metrics)

    def cost_rows(self, architectures: Sequence[Architecture]) -> list[dict[str, float]]:
        """The ``costs`` of each architecture; raises as calling it does."""
        return [self._told_of(architecture, self.costs) for architecture in architectures]

    def tested(self, architecture: Architecture) -> float | None:
        """What the column ``test`` tells of an architecture; None without such a column or figure."""
        row = self._known.get(architecture.key, [])
        return row[-1] if len(row) > len(self._named) and math.isfinite(row[-1]) else None

    def rows(self, wanted: Callable[[Architecture], bool] = lambda architecture: True) -> list[dict[str, float]]:
        """Metrics and costs of the wanted architectures that the table tells, and ``test`` if there is that column."""
        return [
            dict(zip([*self._named, *(["test"] if len(row) > len(self._named) else [])], row, strict=True))
            for key, row in self._known.items()
            if wanted(Architecture.from_json(key))
        ]

    @property
    def _named(self) -> list[str]:
        return [*self.metrics, *self.costs]

    def _told_of(self, architecture: Architecture, names: Sequence[str]) -> dict[str, float]:
        """These metrics or costs; NaN where the table has none and need not have."""
        named = self._named
        row = dict(zip(named, self._known.get(architecture.key, [math.nan] * len(named)), strict=False))
        told = {name: row[name] for name in names}
        if self.missing == "refused" and not np.isfinite(list(told.values())).all():
            raise UsageError(
                f"evaluator 'table': {self.path} has no {' and '.join(names)} for architecture "
                f"{architecture.id}, {architecture.key}, among its {counted(len(self._known), 'architecture')}; add "
                "it, or set evaluator_args.missing=infeasible to leave out what it does not tell."
            )
        return told

    def _averaging(self, differing: Sequence[bool]) -> list[str]:
        """A sentence where rows that tell different things are averaged.

        Args:
            differing: of each architecture, whether its rows are such.
        """
        if self._repeats != "averaged" or not any(differing):
            return []
        of = f"{sum(differing):,} of {counted(len(differing), 'architecture')}"
        return [
            f"{self.path} has rows that tell different things of {of}; their mean is taken, where "
            "evaluator_args.repeats does not say otherwise (drawn, refused)."
        ]

    def _told(self, key: str, trainings: Sequence[float]) -> float:
        """One figure of those of several trainings."""
        if self._repeats == "refused" and len(set(trainings)) > 1:
            raise UsageError(
                f"file '{self.path}' tells {trainings[0]:g} and {next(e for e in trainings if e != trainings[0]):g} of "
                f"architecture {key}; keep one row of it, or set evaluator_args.repeats to averaged or drawn."
            )
        if self._repeats == "drawn":
            number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
            return trainings[int(rng(self._seed, Stream.DRAWN_TRAINING, number).integers(2**62)) % len(trainings)]
        return sum(trainings) / len(trainings)


def _by_name(table: Table, metrics: Columns | None, naming: set[str]) -> dict[str, list[str]]:
    """What each metric is called → its columns."""
    if metrics is None:
        left = [name for name in dict.fromkeys(table.names) if name not in {*naming, "architecture", "id"}]
        numeric = [name for name in left if _is_numeric(table.column(name))]
        if len(numeric) != 1:
            known = f"there are {', '.join(numeric)}" if numeric else "none holds numbers"
            raise UsageError(
                f"file '{table.path}' does not tell which of its columns is searched for ({known}); name it, such as "
                f"evaluator_args.metrics=[{numeric[0] if numeric else 'accuracy'}]."
            )
        return {numeric[0]: numeric}
    named = metrics if isinstance(metrics, Mapping) else {name: name for name in metrics}
    if not named or not all(map(_listed, named.values())):
        raise UsageError(f"evaluator 'table' has metrics {metrics!r}; name a column or more, or leave it out.")
    return {name: _listed(columns) for name, columns in named.items()}


def _listed(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _differ(rows: Sequence[int], cells: Sequence[Sequence[Sequence[Any]]]) -> bool:
    """Whether several rows of one architecture have different numbers in a column.

    Args:
        cells: of the columns of each metric.
    """
    columns = (cell for columns in cells for cell in columns) if len(rows) > 1 else ()
    return any(len({as_number(cell[row]) for row in rows if not is_blank(cell[row])}) > 1 for cell in columns)


def _is_numeric(cells: Sequence[Any]) -> bool:
    known = [cell for cell in cells if not is_blank(cell)]
    return bool(known) and not any(math.isnan(as_number(cell)) for cell in known)


def _check_numbers(table: Table, names: Sequence[str], rows: set[int]) -> None:
    """Refuses a text where a number is expected; a cell may be empty."""
    for name in names:
        for row, cell in enumerate(table.column(name)):
            if row in rows and not is_blank(cell) and math.isnan(as_number(cell)):
                raise UsageError(
                    f"{table.cell_name(row, name)} holds {cell!r}, which is no number; correct it, or leave it empty "
                    "where nothing is known."
                )


def _rows_where(table: Table, where: Mapping[str, Any], space: Space) -> set[int]:
    """The rows whose cells have these values."""
    rows = set(range(len(table.numbers)))
    for name, wanted in where.items():
        cells = table.column(name)
        rows &= {row for row, cell in enumerate(cells) if cell == wanted or as_number(cell) == as_number(wanted)}
        if not rows:
            raise UsageError(f"file '{table.path}' has no row where {name} is {wanted!r}; see evaluator_args.where.")
    for name in [each for each in _EPOCHS if each in table.names and each not in {*where, *space.choices}]:
        if len({str(cell) for cell in table.column(name)}) > 1:
            raise UsageError(
                f"file '{table.path}' mixes trainings of several '{name}', which cannot be averaged; choose one, such "
                f"as evaluator_args.where={{{name}: {table.column(name)[-1]}}}, or let strategy hyperband choose among "
                f"them by extra.{EPOCHS}."
            )
    return rows
