"""Where a result is no better than what needs no search: sentences for the yellow notes of a page."""

import math
from collections.abc import Mapping
from typing import Any

from nas.report.content import Confusion, number
from nas.report.controls import CALLED
from nas.report.quantities import label, written
from nas.wording import counted

__all__ = ["chance_notes"]


def chance_notes(result: Mapping[str, Any], confusion: Confusion | None) -> list[str]:
    """No better than guessing, than random draws, or than the largest network scaled alike.

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
    return [*notes, *_last_round(result), *_controls(result.get("controls"))]


def _last_round(result: Mapping[str, Any]) -> list[str]:
    """Where the last round preferred what the search did not find."""
    rows = result.get("selection", {}).get("finish", ())
    origin = next((row["origin"] for row in rows if row["id"] == result["best"]["id"]), "score")
    if origin == "score":
        return []
    what = "the largest one scaled alike" if origin == "scaled alike" else "a random draw"
    return [
        f"The network that is delivered is {what}, which came out of the last round ahead of those that the search "
        "found: here the search has not paid."
    ]


def _controls(controls: Mapping[str, Any] | None) -> list[str]:
    """Where plain networks of equal cost are not shown to be worse."""
    alike = [
        CALLED[each["other"][0]]
        for each in (controls or {}).get("differences", ())
        if each["one"][0] == "chosen" != each["other"][0] and each["low"] <= 0 <= each["high"]
    ]
    if not alike:
        return []
    return [f"Trained alike, the chosen network is not shown to be better than {' and '.join(dict.fromkeys(alike))}."]


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    """Whether two intervals are known and overlap."""
    ends = [number(row, f"{name}_{side}") for row in (one, other) for side in ("low", "high")]
    return not math.isnan(sum(ends)) and ends[0] <= ends[3] and ends[2] <= ends[1]
