"""Files in which somebody wrote down what architectures measure: rows, columns and the architectures they name."""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas.data import IMAGE_SIZE
from nas.errors import UsageError, did_you_mean
from nas.space import EPOCHS, Architecture, Notation, Space
from nas.wording import counted

__all__ = ["Table", "as_number", "is_blank", "open_table"]

_MOST_NAMES = 6


@dataclass(frozen=True)
class Table:
    """Cells as the file holds them: text in a CSV file, any value in a parquet file.

    Attributes:
        path: the file.
        names: of the columns.
        cells: of each column, top down.
        numbers: how messages call each row.
        counting: where these numbers begin.
    """

    path: Path
    names: list[str]
    cells: list[list[Any]]
    numbers: Sequence[int]
    counting: str

    def column(self, name: str) -> list[Any]:
        """The cells of a column, top down; UsageError if there is none of that name, or several."""
        if name not in self.names:
            raise UsageError(f"file '{self.path}' has no column '{name}'; {did_you_mean(name, self.names)}")
        if self.names.count(name) > 1:
            raise UsageError(f"file '{self.path}' has several columns '{name}'; rename or drop all but one.")
        return self.cells[self.names.index(name)]

    def cell_name(self, row: int, *columns: str) -> str:
        """How messages call a cell, or cells, of a row."""
        where = f"file '{self.path}', row {self.numbers[row]} ({self.counting})"
        return f"{where}, column{'s' if len(columns) > 1 else ''} {_quoted(columns)}"

    def without_gaps(self, name: str, notation: Notation | None = None) -> "Table":
        """The rows that have a value (text, or a number that is not NaN) in a column, and name an architecture.

        Raises:
            UsageError: there is no such column, or none that names architectures.
        """
        values, named = self.column(name), [self.column(each) for each in _reader(self, [_JSON, notation]).columns]
        kept = [
            row
            for row, value in enumerate(values)
            if not is_blank(value) and not all(is_blank(cells[row]) for cells in named)
        ]
        cells = [[column[row] for row in kept] for column in self.cells]
        return replace(self, cells=cells, numbers=[self.numbers[row] for row in kept])

    def architectures(
        self, space: Space, notation: Notation | None = None, input_size: int | None = None
    ) -> list[tuple[int, Architecture]]:
        """The rows that count, each with its architecture.

        Architectures are read from the column ``architecture`` (JSON, as in ``candidates.csv`` of a run) if there is
        one, else from the columns of the notation, else from a column for each choice, named like it. If the notation
        names a column of input sizes and the table has it, rows of another size than ``input_size`` do not count, since
        what is measured holds for one size. Where the size is a choice of the space, rows of its candidates count, each
        for architectures of its size. Where the ``epochs`` of a training are a choice of the space and the table has
        that column, rows of its candidates count likewise.

        Args:
            space: what the architectures must belong to.
            notation: how the published tables of this space write architectures.
            input_size: height and width in pixels of the images that the networks will see.

        Raises:
            UsageError: no column names architectures, one is none of the space, or no row has the input size.
        """
        reader = _reader(self, [_JSON, notation, _by_choice(space)])
        chosen = space.choices.get(IMAGE_SIZE, ())
        rows = _rows(self, reader.input_size, chosen or (() if input_size is None else (input_size,)))
        columns = [self.column(name) for name in reader.columns]
        epochs = _trained_for(self, space.choices.get(EPOCHS, ()))
        found = []
        for row, size in rows.items():
            if epochs and row not in epochs:
                continue
            outside = {IMAGE_SIZE: size} if chosen and size is not None else {}
            outside |= {EPOCHS: epochs[row]} if epochs else {}
            cells = [values[row] for values in columns]
            found.append((row, self._architecture(row, reader, cells, space, outside)))
        return found

    def _architecture(
        self, row: int, reader: Notation, cells: list[Any], space: Space, outside: Mapping[str, int]
    ) -> Architecture:
        try:
            return space.architecture({**outside, **reader.parse(*cells)})
        except UsageError as error:
            raise UsageError(f"{self.cell_name(row, *reader.columns)}: {error}") from None


def open_table(path: Path) -> Table:
    """The table in a ``.csv`` file whose first row names the columns, in ``.parquet`` or a ``.json`` list of objects.

    Raises:
        UsageError: the file is missing, damaged, of another kind or without a row.
    """
    readers = {".csv": _read_csv, ".parquet": _read_parquet, ".json": _read_json}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise UsageError(f"table '{path}' is no .csv, .parquet or .json file; convert it to one of them.")
    if not path.is_file():
        raise UsageError(f"table '{path}' is no file; give the path of a .csv, .parquet or .json file.")
    table = readers[suffix](path)
    if not table.numbers:
        raise UsageError(f"file '{path}' has no rows; give a table with at least one measured architecture.")
    return table


def _read_csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [(number, cells) for number, cells in enumerate(csv.reader(file), start=1) if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"file '{path}' is no readable CSV file; save it again as UTF-8 text.") from error
    names = lines[0][1] if lines else []
    for number, cells in lines:
        if len(cells) != len(names):
            raise UsageError(
                f"file '{path}', row {number} has {counted(len(cells), 'cell')}, but the header names "
                f"{counted(len(names), 'column')}; separate cells by commas and quote those that hold one."
            )
    numbers = [number for number, _ in lines[1:]]
    columns = [[cells[index] for _, cells in lines[1:]] for index in range(len(names))]
    return Table(path, names, columns, numbers, "the header is row 1")


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"file '{path}' is no readable parquet file; save it again.") from error
    columns = [column.to_pylist() for column in table.columns]
    return Table(path, table.column_names, columns, range(1, table.num_rows + 1), "the first is row 1")


def _read_json(path: Path) -> Table:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"file '{path}' is no readable JSON file; save it again as UTF-8 text.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"file '{path}' is no list of JSON objects, one a row; write it so.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [[_as_text(row.get(name)) for row in rows] for name in names]
    return Table(path, names, columns, range(1, len(rows) + 1), "the first is row 1")


def _as_text(value: Any) -> Any:
    """An architecture as JSON text, as it stands in the other kinds of file; other values as they are."""
    return json.dumps(value) if isinstance(value, dict) else value


def _reader(table: Table, notations: Sequence[Notation | None]) -> Notation:
    """The first notation whose columns the table has."""
    known = [each for each in notations if each is not None and each.columns]
    for reader in known:
        if set(reader.columns) <= set(table.names):
            return reader
    needed = " or ".join(_shortened(reader.columns) for reader in known)
    raise UsageError(
        f"file '{table.path}' does not say which architectures it measures: it needs {needed}, but its columns are "
        f"{_shortened(table.names)}; join it with a table that has them."
    )


def _from_json(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise UsageError(f"architecture is {text!r}; expected the text of a JSON object.")
    return dict(Architecture.from_json(text))


_JSON = Notation(("architecture",), _from_json)


def _by_choice(space: Space) -> Notation:
    """A column for each choice with its candidate, as it is or as text; blank where the choice is not there."""
    texts = {
        name: {text: each for each in candidates for text in _spellings(each)}
        for name, candidates in space.choices.items()
    }

    def parse(*cells: Any) -> dict[str, Any]:
        named = zip(space.choices, cells, strict=True)
        return {name: texts[name].get(str(cell), cell) for name, cell in named if not is_blank(cell)}

    return Notation(tuple(space.choices), parse)


def _rows(table: Table, column: str | None, wanted: Sequence[int]) -> dict[int, int | None]:
    """The rows that were measured at one of the input sizes, each with its own; all where the table tells none.

    Args:
        wanted: sizes; none where any will do, as long as it is the same in all rows.
    """
    if column is None or column not in table.names:
        return dict.fromkeys(range(len(table.numbers)))
    sizes = [_size(value, table, row, column) for row, value in enumerate(table.column(column))]
    distinct = f"sizes from {min(sizes)} to {max(sizes)} pixels in column '{column}'"
    if not wanted and len(set(sizes)) > 1:
        raise UsageError(f"file '{table.path}' mixes {distinct}, which cannot be compared; keep the rows of one size.")
    rows: dict[int, int | None] = {row: size for row, size in enumerate(sizes) if not wanted or size in wanted}
    if not rows:
        raise UsageError(
            f"file '{table.path}' has no row for images of {' or '.join(map(str, wanted))} pixels, only {distinct}; "
            "set image_size to one of them."
        )
    return rows


def _trained_for(table: Table, levels: Sequence[int]) -> dict[int, int]:
    """The rows of these numbers of epochs, each with its own; none where the table does not tell them.

    Raises:
        UsageError: it has no row of one of them.
    """
    if not levels or EPOCHS not in table.names:
        return {}
    numbers = {row: as_number(cell) for row, cell in enumerate(table.column(EPOCHS))}
    missing = [each for each in levels if each not in numbers.values()]
    if missing:
        known = sorted({int(each) for each in numbers.values() if each.is_integer()})
        raise UsageError(
            f"file '{table.path}' has no row of {missing[0]} {EPOCHS}, which extra.{EPOCHS} names; known are "
            f"{', '.join(map(str, known)) or 'none'}."
        )
    return {row: int(number) for row, number in numbers.items() if number in levels}


def _size(value: Any, table: Table, row: int, column: str) -> int:
    size = as_number(value)
    if not size.is_integer() or size < 1:
        raise UsageError(f"{table.cell_name(row, column)} holds {value!r}; expected an input size in whole pixels.")
    return int(size)


def is_blank(value: Any) -> bool:
    """Whether a cell holds nothing: no text but blanks or "nan", no number, or NaN."""
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan")
    return value is None or (isinstance(value, float) and math.isnan(value))


def as_number(value: Any) -> float:
    """The value of a cell, NaN if it is no number."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


def _spellings(candidate: Any) -> set[str]:
    """How files write a candidate: as text, as JSON, and as 3.0 where a column has gaps beside its whole numbers."""
    whole = isinstance(candidate, int) and not isinstance(candidate, bool)
    return {str(candidate), json.dumps(candidate), *([str(float(candidate))] if whole else ())}


def _shortened(names: Sequence[str]) -> str:
    """The first of many names."""
    return _quoted(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
