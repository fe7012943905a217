"""What a space costs, and how much of it satisfies the constraints, before anything is trained."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nas.runs.bench import METRIC, Bench
from nas.search import Constraint, Evolution, Result, check_feasible
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_constraints", "feasibility"]

_ROUNDS = 40
_BATCH = 50

Costs = Callable[[list[Architecture]], "pd.DataFrame"]
"""Architectures → their costs: a row each in the order given, a column a cost."""


def check_constraints(bench: Bench, costs: Costs) -> list[Constraint]:
    """The constraints in the order given, those on costs with absolute bounds.

    Constraints on what ``costs`` does not tell are neither checked nor resolved.

    Raises:
        UsageError: none of the samples satisfies them, nor what evolves from them; names the nearest value.
    """
    table = costs(bench.samples)
    largest = _costs_of_largest(bench, table)
    bounds = [c.resolve(largest) if c.metric in table else c for c in bench.constraints]
    checked = [bound for bound in bounds if bound.metric in table]
    check_feasible(checked, _tried(bench, checked, costs))
    return bounds


def _tried(bench: Bench, bounds: Sequence[Constraint], costs: Costs) -> "pd.DataFrame":
    """Costs of the samples and, until one is within the bounds, of what evolution makes of them."""
    import pandas as pd

    tables: list[pd.DataFrame] = []
    asked = bench.samples
    evolution = Evolution(bench.space, bench.config.seed)
    while asked and len(tables) < _ROUNDS:
        tables.append(costs(asked))
        rows: Sequence[dict[str, float]] = tables[-1].to_dict("records")  # type: ignore[assignment]
        violations = [sum(bound.violation(row) for bound in bounds) for row in rows]
        if min(violations) == 0:
            break
        evolution.tell([Result(a, {}, None, violation) for a, violation in zip(asked, violations, strict=True)])
        asked = evolution.ask(_BATCH)
    return pd.concat(tables, ignore_index=True)


def feasibility(bench: Bench, table: "pd.DataFrame") -> dict[str, Any]:
    """For each cost the smallest, median and largest architecture; for each constraint the share that satisfies it.

    Args:
        table: costs of ``bench.samples``, a row each.
    """
    largest = _costs_of_largest(bench, table)
    rows: Sequence[dict[str, float]] = table.to_dict("records")  # type: ignore[assignment]
    costs = {
        str(name): {
            "smallest": float(table[name].min()),
            "median": float(table[name].median()),
            "largest": float(table[name].max()),
        }
        for name in table
    }
    shares = {}
    for constraint in bench.constraints:
        if constraint.metric != METRIC and constraint.metric in table:
            bound = constraint.resolve(largest)
            shares[str(constraint)] = sum(bound.violation(row) == 0 for row in rows) / len(rows)
    return {"architectures": bench.space.size, "sampled": len(table), "costs": costs, "satisfied": shares}


def _costs_of_largest(bench: Bench, table: "pd.DataFrame") -> dict[str, float]:
    row = table.iloc[bench.samples.index(bench.space.largest())]
    return {str(name): float(value) for name, value in row.items()}
