"""What comes back from a board: the table that a device pack's ``run.py`` wrote."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from nas.errors import UsageError
from nas.hardware.board_run import COLUMNS
from nas.hardware.measurement import Measurement
from nas.space import Architecture, Space
from nas.wording import counted

__all__ = ["BoardMeasurements", "read_measurements", "read_setup"]

_SAME = ("setup", "pack", "threads", "batch", "dtype", "device", "versions")


@dataclass(frozen=True)
class BoardMeasurements:
    """The measurements of one board.

    ``measurements`` belong to ``architectures`` in order. ``noise_floor`` is the mean relative difference between
    the two latencies of networks that were measured twice (0.01 is 1 %), or None if there are none; no predictor can
    be expected to come closer. ``setup`` is what :func:`nas.hardware.pack.write_pack` was given. ``notes`` say in
    sentences which rows were not used.
    """

    architectures: list[Architecture]
    measurements: list[Measurement]
    noise_floor: float | None
    setup: dict[str, Any]
    notes: tuple[str, ...] = ()


def read_setup(path: str | Path) -> dict[str, Any]:
    """The setup that all rows of the table carry, which says of what space they are.

    Raises:
        UsageError: the file is no table of measurements, or its rows do not belong together.
    """
    return _rows(Path(path))[0][0].json_object("setup")


def read_measurements(path: str | Path, space: Space | None = None, *, target: str = "board") -> BoardMeasurements:
    """The checked measurements of a table, with latencies at one common speed of the board.

    The latency of each row is its ratio to the reference network's at that time, times the median of the reference
    over all rows, so that rows of several sessions compare. A row with an empty cell is dropped.

    Args:
        path: the ``measurements.csv`` that came back.
        space: architectures must belong to it and take its canonical form; without one they stay as written.
        target: the measurements' name of the board.

    Raises:
        UsageError: with the file, the row as a spreadsheet counts it (the header is row 1) and the column.
    """
    rows, dropped = _rows(Path(path))
    setup = rows[0].json_object("setup")
    level = median([row.number("reference_ms", above_zero=True) for row in rows])
    first: dict[Architecture, Measurement] = {}
    second: dict[Architecture, Measurement] = {}
    for row in rows:
        architecture, measurement = _architecture(row, space), _measurement(row, level, target)
        again = row.whole_number("repeat", least=0)
        if again > 1:
            raise row.wrong("repeat", "is neither 0 nor 1")
        if again and architecture not in first and dropped:
            again = 0
        if again and architecture not in first:
            raise row.wrong("repeat", "is 1, but no row above measures that architecture for the first time")
        if architecture in (second if again else first):
            raise row.wrong("architecture", f"was already measured in a row above with repeat {again}")
        (second if again else first)[architecture] = measurement
    differences = [abs(first[each].latency_ms / second[each].latency_ms - 1) for each in second]
    noise_floor = fmean(differences) if differences else None
    notes = (f"Rows with an empty cell were dropped: {dropped:,}.",) if dropped else ()
    return BoardMeasurements(list(first), list(first.values()), noise_floor, setup, notes)


@dataclass(frozen=True)
class _Row:
    """One row's cells by column; the methods raise UsageError where a cell is not what they read."""

    path: Path
    position: int
    cells: Mapping[str, str]

    def wrong(self, column: str, problem: str) -> UsageError:
        return UsageError(
            f"{self.path} row {self.position}, column '{column}': {_short(self.cells[column])} {problem}; "
            "fix or delete that row, or measure it again with the pack's run.py."
        )

    def number(self, column: str, *, above_zero: bool) -> float:
        try:
            value = float(self.cells[column])
        except ValueError:
            raise self.wrong(column, "is no number (with a point for decimals)") from None
        if not math.isfinite(value) or value < 0 or (above_zero and value == 0):
            raise self.wrong(column, f"is no finite number {'above' if above_zero else 'from'} zero")
        return value

    def whole_number(self, column: str, *, least: int) -> int:
        try:
            value = int(self.cells[column])
        except ValueError:
            raise self.wrong(column, f"is no whole number from {least}") from None
        if value < least:
            raise self.wrong(column, f"is no whole number from {least}")
        return value

    def json_object(self, column: str) -> dict[str, Any]:
        try:
            value = json.loads(self.cells[column], parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise self.wrong(column, f"is not JSON ({error})") from None
        if not isinstance(value, dict):
            raise self.wrong(column, "is not a JSON object")
        return value


def _architecture(row: _Row, space: Space | None) -> Architecture:
    values = row.json_object("architecture")
    if space is None:
        return Architecture(values)
    try:
        return space.architecture(values)
    except UsageError as error:
        raise row.wrong("architecture", f"is not in this space ({str(error).rstrip('.')})") from None


def _measurement(row: _Row, level: float, target: str) -> Measurement:
    scale = level / row.number("reference_ms", above_zero=True)
    versions = row.json_object("versions")
    return Measurement(
        latency_ms=scale * row.number("latency_ms", above_zero=True),
        spread_ms=scale * row.number("spread_ms", above_zero=False),
        repeats=row.whole_number("repeats", least=1),
        threads=row.whole_number("threads", least=1),
        batch=row.whole_number("batch", least=1),
        dtype=row.cells["dtype"],
        target=target,
        device=row.cells["device"],
        versions={name: str(value) for name, value in versions.items()},
    )


def _rows(path: Path) -> tuple[list[_Row], int]:
    """The rows without an empty cell, of which there is one at least and which have in common what they must; and how
    many others there are, apart from blank ones."""
    records = _records(path)
    if not records:
        raise UsageError(f"{path} is empty; bring back the measurements.csv that the pack's run.py writes.")
    header = records[0][1]
    for column in COLUMNS:
        if header.count(column) != 1:
            problem = "repeats" if column in header else "misses"
            raise UsageError(
                f"{path} row 1 {problem} the column '{column}', but it must name each of {', '.join(COLUMNS)} once, "
                "with commas between; bring back the measurements.csv as the pack's run.py writes it."
            )
    for position, cells in records[1:]:
        if len(cells) != len(header):
            raise UsageError(
                f"{path} row {position} has {counted(len(cells), 'cell')}, but the header has {len(header)}; "
                "if it was cut off, run the pack's run.py once more, which measures it again."
            )
    rows = [_Row(path, position, dict(zip(header, cells, strict=True))) for position, cells in records[1:]]
    filled = [row for row in rows if all(row.cells[column].strip() for column in COLUMNS)]
    if not filled:
        problem = "every row has an empty cell" if rows else "no measurement"
        raise UsageError(f"{path} has a header, but {problem}; run the pack's run.py on the device first.")
    _require_same(filled)
    return filled, len(rows) - len(filled)


def _records(path: Path) -> list[tuple[int, list[str]]]:
    """(position as a spreadsheet counts, cells) of every record that is not blank."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no regular file; give the measurements.csv that came back from the device.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        records = list(enumerate(csv.reader(io.StringIO(text)), 1))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist; give the measurements.csv that came back from the device.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path} cannot be read as a CSV file ({error}); bring it back from the device again."
        ) from None
    return [(position, cells) for position, cells in records if any(cells)]


def _require_same(rows: Sequence[_Row]) -> None:
    first = rows[0]
    for row in rows[1:]:
        for column in _SAME:
            if row.cells[column] != first.cells[column]:
                raise row.wrong(
                    column,
                    f"differs from {_short(first.cells[column])} in row {first.position}, "
                    "but a table is of one pack, one device and one set of options",
                )


def _refuse_constant(name: str) -> None:
    """Python reads NaN and infinities, which JSON has not."""
    raise ValueError(f"{name} is no JSON value")


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
