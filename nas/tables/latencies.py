"""Latencies that exist already: tables of architectures that somebody measured."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UsageError
from nas.space import Architecture, Notation, Space
from nas.tables.architecture_table import as_number, open_table

__all__ = ["Measured", "read_table"]

_UNITS = {
    "ns": (1e-6, "nanoseconds"),
    "us": (1e-3, "microseconds"),
    "µs": (1e-3, "microseconds"),
    "ms": (1.0, "milliseconds"),
    "s": (1e3, "seconds"),
    "min": (6e4, "minutes"),
}


@dataclass(frozen=True)
class Measured:
    """Latencies of architectures, as a table gives them.

    Attributes:
        architectures: distinct, in the order in which the table first names them.
        latencies: ``[architectures]`` in milliseconds, the median of the rows that name the architecture.
        noise_floor: how far two measurements of one network differ: ``|a / b - 1|`` of each row ``a`` and the next
            row ``b`` of the same architecture, averaged over the rows of an architecture, then over all architectures
            that occur more than once; None if none does.
        column: the name of the latencies.
        left_out: the number of rows that were measured at another input size.
        dropped: the number of rows without a latency or an architecture.
    """

    architectures: list[Architecture]
    latencies: np.ndarray
    noise_floor: float | None
    column: str
    left_out: int = 0
    dropped: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about rows that were not used."""
        if not self.dropped:
            return ()
        return (f"Rows with nothing in column {self.column}, or no architecture, were dropped: {self.dropped:,}.",)


def read_table(
    path: Path,
    column: str,
    space: Space,
    notation: Notation | None = None,
    input_size: int | None = None,
    unit: str | float = "ms",
) -> Measured:
    """The architectures of a table and their latencies.

    Architectures are read as :meth:`nas.tables.architecture_table.Table.architectures` does. A row with an empty
    cell or NaN in place of either is dropped.

    Args:
        path: a ``.csv`` file whose first row names the columns, or a ``.parquet`` file.
        column: the latencies.
        space: what the architectures must belong to.
        notation: how the published tables of this space write architectures.
        input_size: height and width in pixels of the images that the networks will see.
        unit: of the latencies: "ns", "us", "ms", "s", "min", or how many milliseconds one is.

    Raises:
        UsageError: the file is missing or damaged or of another kind, lacks a column or has no row; a latency is no
            positive number, or there is no such unit; an architecture is none of the space. Rows are counted from 1, in
            a CSV file with the header.
    """
    (scale, counted), whole = _known_unit(unit), open_table(path)
    table = whole.without_gaps(column, notation)
    dropped = len(whole.numbers) - len(table.numbers)
    if not table.numbers:
        raise UsageError(f"file '{path}' has nothing in column '{column}'; name one that was measured.")
    times = table.column(column)
    rows = table.architectures(space, notation, input_size)
    found: dict[Architecture, list[float]] = {}
    for row, architecture in rows:
        found.setdefault(architecture, []).append(scale * _time(times[row], table.cell_name(row, column), counted))
    latencies = np.array([np.median(values) for values in found.values()])
    return Measured(list(found), latencies, _noise_floor(list(found.values())), column, len(times) - len(rows), dropped)


def _known_unit(unit: str | float) -> tuple[float, str]:
    """How many milliseconds it is, and its name."""
    scale, name = _UNITS.get(str(unit), (as_number(unit), f"units of {unit} ms"))
    if not 0 < scale < math.inf:
        raise UsageError(
            f"unit is {str(unit)[:40]!r}, expected one of {', '.join(_UNITS)}, or how many milliseconds it is."
        )
    return scale, name


def _time(value: Any, cell: str, counted: str) -> float:
    time = as_number(value)
    if not 0 < time < math.inf:
        raise UsageError(
            f"{cell} holds {value!r}; expected a positive number of {counted}, so fix the cell or drop the row."
        )
    return time


def _noise_floor(measurements: list[list[float]]) -> float | None:
    repeated = [np.array(values) for values in measurements if len(values) > 1]
    return float(np.mean([np.abs(a[:-1] / a[1:] - 1).mean() for a in repeated])) if repeated else None
