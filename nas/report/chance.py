"""Where a result is no better than what needs no search: sentences for the yellow notes of a page."""

import math
from collections.abc import Mapping
from typing import Any

from nas.report.content import Confusion, number
from nas.report.quantities import label, written
from nas.wording import counted

__all__ = ["chance_notes"]


def chance_notes(result: Mapping[str, Any], confusion: Confusion | None) -> list[str]:
    """No better than guessing; no better than random draws, in which direction the metric may be.

    Args:
        result: of a search, as in ``best.json``.
        confusion: of a classifier.
    """
    metric, best = result["metric"], result["best"]
    notes = []
    low = best.get(f"{metric}_low")
    if confusion is not None and low is not None and low <= confusion.guessing:
        notes.append(
            f"The {label(metric).lower()} of {written(metric, best[metric])} is no better than guessing: the most "
            f"frequent class alone gives {written(metric, confusion.guessing)}, and the interval begins at "
            f"{written(metric, low)}. Train longer, or look at the data."
        )
    draw = result.get("random")
    if draw and _overlap(draw.get("chosen", best), draw, f"test_{metric}"):
        notes.append(
            f"The search is not shown to be better than the best of {counted(draw['draws'], 'random draw')} under the "
            f"same constraints: with the weights that were searched, the intervals of their "
            f"{label(f'test_{metric}').lower()} overlap. More candidates, longer training or a larger space may tell."
        )
    return notes


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    """Whether two intervals are known and overlap."""
    ends = [number(row, f"{name}_{side}") for row in (one, other) for side in ("low", "high")]
    return not math.isnan(sum(ends)) and ends[0] <= ends[3] and ends[2] <= ends[1]
