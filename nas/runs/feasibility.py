"""What a space costs, and how much of it satisfies the constraints, before anything is trained."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas.runs.bench import METRIC, Bench
from nas.search import Constraint, check_feasible

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_constraints", "feasibility"]


def check_constraints(bench: Bench, table: "pd.DataFrame") -> list[Constraint]:
    """The constraints with absolute bounds.

    Args:
        table: costs of ``bench.samples``, a row each; constraints on other metrics are not checked.

    Raises:
        UsageError: no sampled architecture satisfies them; names the nearest value.
    """
    largest = _costs_of_largest(bench, table)
    known = [constraint for constraint in bench.constraints if constraint.metric in table]
    resolved = [constraint.resolve(largest) for constraint in known]
    check_feasible(resolved, table)
    return resolved + [constraint for constraint in bench.constraints if constraint.metric not in table]


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
