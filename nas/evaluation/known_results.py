"""The evaluator that trains nothing, for runs that train the network they deliver: what others found is looked up."""

from collections.abc import Mapping
from typing import Any, Literal

from nas.problem import Problem
from nas.space import EPOCHS
from nas.tables.results import Columns, TableResults

__all__ = ["KnownResults"]


class KnownResults(TableResults):
    """A CSV, parquet or JSON table of known results, looked up; nothing is trained to search.

    See :class:`nas.tables.results.TableResults`, which has the same options and one for the test column besides.

    Args:
        problem: whose space the table is of.
        metrics: columns that are read; by default the metric of the data.

    Raises:
        UsageError: the table cannot be read, lacks a column or names an architecture that is none of the space.
    """

    name = "table"
    choices = (EPOCHS,)

    def __init__(
        self,
        problem: Problem,
        path: str,
        metrics: Columns | None = None,
        missing: Literal["refused", "infeasible"] = "refused",
        where: Mapping[str, Any] | None = None,
        repeats: Literal["averaged", "drawn", "refused"] = "averaged",
    ) -> None:
        shape = problem.data.input_shape
        super().__init__(
            problem.space,
            path,
            [problem.data.task.metric.name] if metrics is None else metrics,
            None,
            where,
            repeats,
            missing,
            seed=problem.seed,
            notation=problem.notation,
            input_size=shape[1] if len(shape) > 1 else None,
        )
