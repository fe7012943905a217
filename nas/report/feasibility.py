"""What a space costs and how much of it satisfies the constraints: in words, as a table and as histograms."""

import html
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from nas.report.content import Floats
from nas.report.plotting import BLUE, Figure, bound_line, layout
from nas.report.quantities import axis_title, label, written
from nas.report.sections import plot, sortable
from nas.wording import counted

__all__ = ["constraint_sentence", "cost_histogram", "coverage", "feasibility_section"]

_EXTREMES = ("smallest", "median", "largest")


def feasibility_section(feasibility: Mapping[str, Any]) -> str:
    """HTML: how many architectures were counted, each constraint's share, the table of costs and their histograms."""
    names = list(feasibility["costs"])
    plots = "".join(
        plot(f"space-{index}", cost_histogram(feasibility, name), f"Histogram: {axis_title(name)}")
        for index, name in enumerate(names)
    )
    shares = "".join(_constraint(text, row) for text, row in feasibility["constraints"].items())
    caption = "Dashed: the constraints. Bars count architectures as drawn, each choice with equal chances."
    if feasibility["exact"]:
        caption = "Dashed: the constraints. Bars count every architecture once."
    return (
        f"<p>{html.escape(coverage(feasibility))}.</p>"
        f'<ul class="shares">{shares}</ul>{_table(feasibility)}'
        f'<figure><div class="grid">{plots}</div><figcaption>{caption}</figcaption></figure>'
    )


def coverage(feasibility: Mapping[str, Any]) -> str:
    """How large the space is and how much of it was counted.

    >>> coverage({"architectures": 3**20, "sampled": 200, "exact": False})
    '3,486,784,401 architectures, 200 sampled'
    """
    looked_at = "all of them counted" if feasibility["exact"] else f"{feasibility['sampled']:,} sampled"
    return f"{counted(feasibility['architectures'], 'architecture')}, {looked_at}"


def constraint_sentence(text: str, row: Mapping[str, Any]) -> str:
    """The share of the space within a constraint with its error; where nothing is, how near the space comes.

    >>> row = {"metric": "params", "share": 0.37, "low": 0.33, "high": 0.41, "met": True, "nearest": None}
    >>> constraint_sentence("params <= 9000", row)
    'params <= 9000: 37 % of the space (33 to 41 %)'
    >>> constraint_sentence("params <= 10", row | {"share": 0, "low": 0, "met": False, "nearest": 11234.0})
    'params <= 10: none of the space; nearest is 11,234'
    """
    return f"{text}: {_share_in_words(row)}"


def cost_histogram(feasibility: Mapping[str, Any], name: str) -> Figure:
    """The shares of architectures by one cost, with a line for each constraint on it that is within the range."""
    histogram = feasibility["costs"][name]["histogram"]
    edges, counts = np.asarray(histogram["edges"], dtype=float), np.asarray(histogram["counts"], dtype=float)
    frame = layout(name, "share") | {"showlegend": False, "bargap": 0.04}
    frame["xaxis"]["nticks"] = 6
    frame["shapes"] = [
        bound_line(text.removeprefix(name).strip(), row["bound"], "x", "y", _side(row["bound"], edges), "end")
        for text, row in feasibility["constraints"].items()
        if row["metric"] == name and edges[0] <= row["bound"] <= edges[-1]
    ]
    trace = {
        "type": "bar",
        "name": label(name),
        "x": ((edges[:-1] + edges[1:]) / 2).tolist(),
        "y": (counts / max(1.0, counts.sum())).tolist(),
        "width": np.diff(edges).tolist(),
        "text": [f"{written(name, low)} to {written(name, high)}" for low, high in pairwise(edges)],
        "textposition": "none",
        "hovertemplate": "%{text}: %{y:.1%}<extra></extra>",
        "marker": {"color": BLUE, "opacity": 0.8},
    }
    return {"data": [trace], "layout": frame}


def _side(bound: float, edges: Floats) -> str:
    """Where the label of a line has room: right of the middle on its left."""
    return "right" if bound > (edges[0] + edges[-1]) / 2 else "left"


def _constraint(text: str, row: Mapping[str, Any]) -> str:
    return (
        f"<li><code>{html.escape(text)}</code>"
        f'<span class="meter"><i style="width:{100 * row["share"]:.2f}%"></i></span>'
        f"<span>{html.escape(_share_in_words(row))}</span></li>"
    )


def _share_in_words(row: Mapping[str, Any]) -> str:
    if row["nearest"] is not None:
        nearest = _exact(row["metric"], row["nearest"])
        if row["met"]:
            return f"less than {_percent(row['high'])} % of the space; one with {nearest} was found"
        return f"none of the space; nearest is {nearest}"
    error = f" ({_percent(row['low'])} to {_percent(row['high'])} %)" if row["low"] < row["high"] else ""
    return f"{_percent(row['share'])} % of the space{error}"


def _percent(share: float) -> str:
    """Whole per cent, below ten two figures."""
    value = 100 * share
    return f"{value:.0f}" if value >= 9.95 or value < 0.005 else f"{value:.2g}"


def _exact(name: str, value: float) -> str:
    """Counts to the last digit, so that they can be put into a constraint."""
    if name.endswith("_ms"):
        return f"{value:.4g} ms"
    return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"


def _table(feasibility: Mapping[str, Any]) -> str:
    rows = (
        f"<tr><td>{html.escape(label(name))}</td>{''.join(_cell(name, cost, extreme) for extreme in _EXTREMES)}</tr>"
        for name, cost in feasibility["costs"].items()
    )
    return sortable("space-table", ("Cost", "Smallest", "Median", "Largest"), rows)


def _cell(name: str, cost: Mapping[str, Any], extreme: str) -> str:
    """A value, and the architecture that has it; its choices show when the mouse rests on it."""
    architecture = cost["architectures"][extreme]
    choices = html.escape(json.dumps(architecture["architecture"]))
    value = html.escape(written(name, cost[extreme]))
    return (
        f'<td class="number" title="{choices}" data-order="{cost[extreme]!r}">{value} '
        f"<small>{html.escape(architecture['id'])}</small></td>"
    )
