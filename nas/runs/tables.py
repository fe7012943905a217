"""Latencies that exist already: tables of architectures that somebody measured."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import UsageError
from nas.runs.architecture_table import Table, as_number, open_table
from nas.space import Architecture, Notation, Space

__all__ = ["Measured", "read_table"]


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
    """

    architectures: list[Architecture]
    latencies: np.ndarray
    noise_floor: float | None
    column: str
    left_out: int = 0


def read_table(
    path: Path, column: str, space: Space, notation: Notation | None = None, input_size: int | None = None
) -> Measured:
    """The architectures of a table and their latencies.

    Architectures are read as :meth:`nas.runs.architecture_table.Table.architectures` does.

    Args:
        path: a ``.csv`` file whose first row names the columns, or a ``.parquet`` file.
        column: the latencies in milliseconds.
        space: what the architectures must belong to.
        notation: how the published tables of this space write architectures.
        input_size: height and width in pixels of the images that the networks will see.

    Raises:
        UsageError: the file is missing or damaged or of another kind, lacks a column or has no row; a latency is no
            positive number; an architecture is none of the space. Rows are counted from 1, in a CSV file with the
            header.
    """
    table = open_table(path)
    times = table.column(column)
    rows = table.architectures(space, notation, input_size)
    found: dict[Architecture, list[float]] = {}
    for row, architecture in rows:
        found.setdefault(architecture, []).append(_milliseconds(times[row], table, row, column))
    latencies = np.array([np.median(values) for values in found.values()])
    return Measured(list(found), latencies, _noise_floor(list(found.values())), column, len(times) - len(rows))


def _milliseconds(value: Any, table: Table, row: int, column: str) -> float:
    time = as_number(value)
    if not 0 < time < math.inf:
        raise UsageError(
            f"{table.place(row, column)} holds {value!r}; expected a positive number of milliseconds, "
            "so mend the cell or drop the row."
        )
    return time


def _noise_floor(measurements: list[list[float]]) -> float | None:
    repeated = [np.array(values) for values in measurements if len(values) > 1]
    return float(np.mean([np.abs(a[:-1] / a[1:] - 1).mean() for a in repeated])) if repeated else None
