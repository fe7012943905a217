"""Whether a search paid, in words and as a table: the chosen network beside plain ones that were trained alike."""

import html
from collections.abc import Mapping
from typing import Any

from nas.report.quantities import label, points, written

__all__ = ["CALLED", "control_sentences", "controls_section"]

CALLED = {"chosen": "the chosen network", "scaled alike": "the largest scaled alike", "random": "a random network"}


def control_sentences(controls: Mapping[str, Any] | None) -> list[str]:
    """What the differences come to, each with its interval.

    Args:
        controls: of ``best.json``; None where nobody asked for them.
    """
    if controls is None:
        return []
    metric = controls["metric"]
    found = []
    for each in controls["differences"]:
        (one, start), (other, other_start) = each["one"], each["other"]
        what = (
            f"{CALLED[one]}: {start} less {other_start} weights"
            if one == other
            else f"{CALLED[one]} less {CALLED[other]}, {start} weights"
        )
        low, high = (points(metric, each[end]) for end in ("low", "high"))
        sure = "" if each["low"] > 0 or each["high"] < 0 else "; no difference is shown"
        found.append(f"{what[0].upper()}{what[1:]}: {points(metric, each['difference'])} ({low} to {high}){sure}.")
    return found


def controls_section(controls: Mapping[str, Any]) -> str:
    """The table and the sentences as HTML."""
    metric, cost = controls["metric"], controls["cost"]
    starts = [start for start in ("inherited", "fresh") if start in controls["networks"][0]]
    head = "".join(f'<th scope="col">{html.escape(each)}</th>' for each in ("Network", label(cost), *starts))
    rows = "".join(
        f"<tr><td>{html.escape(row['network'])}</td><td class='number'>{html.escape(written(cost, row[cost]))}</td>"
        + "".join(f"<td class='number'>{html.escape(written(metric, row[start]))}</td>" for start in starts)
        + "</tr>"
        for row in controls["networks"]
    )
    about = (
        f"{label(metric)} on the {controls['examples']:,} examples that confirm, after {controls['epochs']} epochs of "
        f"one recipe, by first weights; {label(cost).lower()} as the search had it. Intervals (95 %) are of paired "
        "differences over examples; that another seed would train other networks is not in them."
    )
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    sentences = "".join(f"<li>{html.escape(each)}</li>" for each in control_sentences(controls))
    return f"<p>{html.escape(about)}</p>{table}<ul>{sentences}</ul>"
