"""The evaluator that trains nothing: what others found is looked up."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from nas.errors import UsageError
from nas.problem import Problem
from nas.space import Architecture
from nas.tables.architecture_table import as_number, open_table
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KnownResults"]


class KnownResults:
    """A CSV, parquet or JSON table of known results, looked up; nothing is trained to search.

    Architectures are read as :meth:`nas.tables.architecture_table.Table.architectures` does; rows of one
    architecture are averaged.

    Args:
        problem: whose space the table is of.
        path: of the table.
        metrics: its columns that are read; by default the metric of the data.
        missing: what becomes of an architecture without a row, or without a number in it: it is refused, or it counts
            as one that cannot be used.

    Raises:
        UsageError: the table cannot be read, lacks a column or names an architecture that is none of the space.
    """

    name = "table"

    def __init__(
        self,
        problem: Problem,
        path: str,
        metrics: Sequence[str] | None = None,
        missing: Literal["refused", "infeasible"] = "refused",
    ) -> None:
        self.path, self.missing = Path(path), missing
        self.metrics = [problem.data.task.metric.name] if metrics is None else list(metrics)
        if not self.metrics:
            raise UsageError("evaluator 'table' has metrics []; name a column or more, or leave it out.")
        table, shape = open_table(self.path), problem.data.input_shape
        cells = [table.column(name) for name in self.metrics]
        found: dict[str, list[list[float]]] = {}
        for row, architecture in table.architectures(
            problem.space, problem.notation, shape[1] if len(shape) > 1 else None
        ):
            found.setdefault(architecture.key, []).append([as_number(column[row]) for column in cells])
        self._known: dict[str, list[float]] = {key: np.mean(rows, axis=0).tolist() for key, rows in found.items()}
        self.fidelity = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    def __call__(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """One row for each architecture, with the columns ``metrics``.

        Raises:
            UsageError: the table does not tell an architecture, and is expected to.
        """
        import pandas as pd

        return pd.DataFrame([self._row(architecture) for architecture in architectures], columns=self.metrics)

    def _row(self, architecture: Architecture) -> list[float]:
        row = self._known.get(architecture.key, [math.nan] * len(self.metrics))
        if self.missing == "refused" and not np.isfinite(row).all():
            raise UsageError(
                f"evaluator 'table': {self.path} has no {' and '.join(self.metrics)} for architecture "
                f"{architecture.id}, {architecture.key}, among its {counted(len(self._known), 'architecture')}; add "
                "it, or set evaluator_args.missing=infeasible to leave out what it does not tell."
            )
        return row
