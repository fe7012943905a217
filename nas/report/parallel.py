"""Parallel coordinates: each candidate as a line through the choices that decide, its cost and its score."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.report.content import Floats, ReportContent, column
from nas.report.plotting import BLUE, RED, SLATE, Figure, escaped, layout
from nas.report.quantities import in_sentence, label, written

__all__ = ["parallel_caption", "parallel_figure"]

_AXES = 10
"""Choices that are drawn, beside a cost and a score."""
_MOST = 300
_BEST = 0.1
_APART = 0.06
"""Of an axis, over which lines of one candidate of a choice are spread."""
_LONGEST = 9
_NONE = "\N{EN DASH}"


def parallel_figure(content: ReportContent, choices: Sequence[str]) -> Figure | None:
    """A line for each of up to 300 candidates, the best tenth and the chosen one over the others.

    Args:
        choices: of which the first ten are drawn; None is returned of none.
    """
    choices = choices[:_AXES]
    score, cost = column(content.candidates, content.score), column(content.candidates, content.cost)
    known = np.flatnonzero(~np.isnan(score + cost))
    known = known[:: max(1, math.ceil(len(known) / _MOST))]
    if not choices or len(known) < 2:
        return None
    candidates = [json.loads(text) for text in content.candidates["architecture"].to_numpy()[known]]
    places = [_values(candidates, name) for name in choices]
    spread = _APART * (np.arange(len(known)) / (len(known) - 1) - 0.5)
    heights = [
        np.array([values.index(each.get(name)) / max(1, len(values) - 1) for each in candidates]) + spread
        for name, values in zip(choices, places, strict=True)
    ]
    lines = np.column_stack([*heights, _scaled(cost[known]), _scaled(score[known])])
    order = np.argsort(-score[known] if content.maximise else score[known], kind="stable")
    best = order[: max(1, round(_BEST * len(known)))]
    is_chosen = content.candidates["id"].astype(str).to_numpy()[known] == str(content.best.get("id"))
    traces = [
        _lines("other candidates", lines[np.setdiff1d(order, best)], SLATE, 0.35, 1),
        _lines("best tenth", lines[best], BLUE, 0.8, 1.5),
        _lines("chosen network", lines[is_chosen], RED, 1.0, 3),
        _marks([*map(_texts, places), _ends(content.cost, cost[known]), _ends(content.score, score[known])]),
    ]
    return {
        "data": [trace for trace in traces if trace["x"]],
        "layout": _layout([*choices, content.cost, content.score]),
    }


def parallel_caption(content: ReportContent) -> str:
    """How it is read."""
    return (
        "Each line is a candidate, through what it takes for the choices above, lowest at the bottom, its "
        f"{in_sentence(content.cost)} and its {in_sentence(content.score)}. Lines lie a little apart where they agree."
    )


def _values(candidates: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """The candidates of a choice, numbers by size; where it is not active it counts as one more, the lowest."""
    found = {json.dumps(each.get(name)): each.get(name) for each in candidates}.values()
    numbers = all(value is None or isinstance(value, int | float) for value in found)
    return sorted(found, key=lambda value: (value is not None, value or 0) if numbers else json.dumps(value))


def _scaled(values: Floats) -> Floats:
    low, high = values.min(), values.max()
    return np.zeros_like(values) if low == high else (values - low) / (high - low)


def _lines(name: str, heights: Floats, color: str, opacity: float, width: float) -> dict[str, Any]:
    x: list[int | None] = []
    y: list[float | None] = []
    for line in heights:
        x += [*range(len(line)), None]
        y += [*(round(float(each), 4) for each in line), None]
    about = {"line": {"color": color, "width": width}, "opacity": opacity, "hoverinfo": "skip"}
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, **about}


def _texts(values: Sequence[Any]) -> dict[float, str]:
    """Height → what stands there."""
    shown = [_NONE if value is None else str(value) for value in values]
    cut = [text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in shown]
    return {index / max(1, len(cut) - 1): text for index, text in enumerate(cut)}


def _ends(name: str, values: Floats) -> dict[float, str]:
    return {0.0: written(name, float(values.min())), 1.0: written(name, float(values.max()))}


def _marks(axes: Sequence[Mapping[float, str]]) -> dict[str, Any]:
    """The candidates of all axes, in words beside their heights."""
    marks = [(place, height, text) for place, texts in enumerate(axes) for height, text in texts.items()]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [place for place, _, _ in marks],
        "y": [height for _, height, _ in marks],
        "text": [escaped(text) for _, _, text in marks],
        "textposition": "top center",
        "textfont": {"size": 11},
        "marker": {"color": SLATE, "size": 5},
        "hoverinfo": "text",
        "showlegend": False,
    }


def _layout(names: Sequence[str]) -> dict[str, Any]:
    frame = layout("choice", "candidate")
    shown = [escaped(label(name)) if place >= len(names) - 2 else escaped(name) for place, name in enumerate(names)]
    frame["xaxis"] = {"tickvals": list(range(len(names))), "ticktext": shown, "automargin": True, "zeroline": False}
    frame["xaxis"] |= {"range": [-0.3, len(names) - 0.5], "fixedrange": True}
    frame["xaxis"]["ticklabeloverflow"] = "allow"
    frame["yaxis"] = {"visible": False, "range": [-0.08, 1.14], "fixedrange": True}
    return frame
