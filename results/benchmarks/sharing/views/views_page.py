"""The page of results/benchmarks/sharing/views, from its rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

__all__ = ["page"]

_COLUMNS = {
    "tau": ("tau", 2),
    "accuracy": ("accuracy (%)", 1),
    "gap": ("gap (points)", 1),
    "gap_sd": ("spread of the gap", 1),
    "regret": ("regret (points)", 1),
    "own_share": ("steps in final bank", 2),
    "own_ahead": ("own bank ahead (points)", 0),
    "cpu_seconds": ("CPU seconds", 0),
}

_HEAD = """# Views of Fashion-MNIST that conflict

24 architectures are views of the picture: each turns it by 0 to 180 degrees and shows a window of some side; all that is
shared is a net of one hidden layer. {truth}
Every number is a mean over seeds with its standard deviation; steps are those of all banks together. What the arms are and
how this was run is told in [about.md](about.md).
"""


def page(rows: pd.DataFrame, order: Sequence[str]) -> str:
    """Markdown: how well the truth judges, and a table for each number of steps.

    Args:
        order: of the arms.
    """
    truth = [list(map(float, each.split())) for each in rows[rows["arm"] == "truth"]["accuracies"]]
    agreement, mean = kendalltau(*truth).statistic, np.mean(truth, axis=0)
    said = (
        f"Trained alone they reach {mean.min():.1f} to {mean.max():.1f} %; two trainings agree by tau {agreement:.2f},\n"
        "and their mean is the truth."
    )
    parts = [_HEAD.format(truth=said)]
    arms = rows[rows["arm"] != "truth"]
    for steps, some in arms.groupby("steps"):
        parts.append(f"## {steps:,} steps, {some['seed'].nunique()} seeds\n\n{_gate(some)}\n\n{_table(some, order)}\n")
    return "\n".join(parts)


def _gate(rows: pd.DataFrame) -> str:
    """Whether there is anything to gain from not sharing."""
    means = rows.groupby("arm")["accuracy"].mean()
    ahead = [name for name in ("oracle", "alone") if means.get(name, -np.inf) > means["shared"]]
    if not ahead:
        return (
            "No conflict to split: neither the oracle nor training each view alone beats one shared net at this budget."
        )
    found = ", ".join(f"`{name}` {means[name] - means['shared']:+.1f} points" for name in ahead)
    return f"There is a conflict to split: against `shared`, {found} of accuracy."


def _table(rows: pd.DataFrame, order: Sequence[str]) -> str:
    lines = [f"| arm | {' | '.join(title for title, _ in _COLUMNS.values())} |", f"|{' --- |' * (len(_COLUMNS) + 1)}"]
    for name in order:
        some = rows[rows["arm"] == name].copy()
        some["own_ahead"] *= 100
        cells = [_cell(some[column].dropna(), digits) for column, (_, digits) in _COLUMNS.items()]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: pd.Series, digits: int) -> str:
    if values.empty:
        return ""
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"
