"""Latency predicted against measured, as Plotly figures, or None when there is nothing to draw."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nas.report.content import COSTS, Floats, number
from nas.report.latency import LatencyContent
from nas.report.plotting import AMBER, BLUE, GREEN, SLATE, Figure, escaped, hover, layout, lengths, scale, scatter

__all__ = ["cost_figure", "error_figure", "prediction_figure"]

_MEASURED, _PREDICTED, _ERROR = "measured_latency_ms", "predicted_latency_ms", "relative_error"
_WIDE = 10.0

_Shown = Callable[[Floats, Floats], Floats]
"""Measured and predicted milliseconds ``[n]`` → what the y axis shows of them ``[n]``."""


def prediction_figure(content: LatencyContent) -> Figure | None:
    """Predicted against measured latency with bands of 5 % and 10 %; logarithmic over more than a factor of ten."""
    points = _points(content, _PREDICTED, lambda measured, predicted: predicted)
    if not points:
        return None
    x, y = ([value for trace in points for value in trace[axis]] for axis in "xy")
    kind = scale([*x, *y], _WIDE)
    ends = [min(*x, *y), max(*x, *y)]
    frame = layout(_MEASURED, _PREDICTED)
    frame["xaxis"] |= kind
    frame["yaxis"] |= kind
    return {"data": [_band(ends, 0.10, 0.12), _band(ends, 0.05, 0.2), _equality(ends), *points], "layout": frame}


def error_figure(content: LatencyContent) -> Figure | None:
    """The relative error of each prediction against the measured latency, with the band that is noise alone."""
    points = _points(content, _ERROR, lambda measured, predicted: predicted / measured - 1)
    if not points:
        return None
    x = [value for trace in points for value in trace["x"]]
    frame = layout(_MEASURED, _ERROR)
    frame["xaxis"] |= scale(x, _WIDE)
    frame["yaxis"] |= {"zeroline": True, "zerolinecolor": SLATE, "zerolinewidth": 1}
    noise = content.noise_floor
    bands = [] if noise is None else [_strip([min(x), max(x)], noise)]
    return {"data": [*bands, *points], "layout": frame}


def cost_figure(content: LatencyContent) -> Figure | None:
    """Measured latency of the front against the first cost that at least two of its networks tell."""
    for cost in COSTS:
        known = [row for row in content.front if not math.isnan(number(row, cost) + number(row, "latency_ms"))]
        if cost != "latency_ms" and len(known) > 1:
            return _by_cost(sorted(known, key=lambda row: number(row, cost)), cost)
    return None


def _by_cost(rows: Sequence[Mapping[str, Any]], cost: str) -> Figure:
    spread = np.array([number(row, "latency_spread_ms") for row in rows])
    x, y = ([number(row, name) for row in rows] for name in (cost, "latency_ms"))
    frame = layout(cost, _MEASURED) | {"showlegend": False}
    frame["xaxis"] |= scale(x, _WIDE)
    frame["yaxis"] |= scale(y, _WIDE)
    trace = scatter("Pareto front", x, y) | {
        "text": [escaped(str(row.get("id", ""))) for row in rows],
        "hovertemplate": hover(cost, _MEASURED),
        "marker": {"color": BLUE, "size": 9, "line": {"color": "white", "width": 1}},
        "error_y": {"type": "data", "array": lengths(spread), "color": BLUE, "thickness": 1, "width": 3},
    }
    return {"data": [trace], "layout": frame}


def _points(content: LatencyContent, shown: str, y: _Shown) -> list[dict[str, Any]]:
    """The held-out networks, and those of the front that have a prediction; ``y`` of measured and predicted ms."""
    front = [row for row in content.front if not math.isnan(number(row, _PREDICTED) + number(row, "latency_ms"))]
    held_out = np.asarray(content.measured, dtype=float), np.asarray(content.predicted, dtype=float)
    measured, predicted = (np.array([number(row, name) for row in front]) for name in ("latency_ms", _PREDICTED))
    named = [escaped(str(row.get("id", ""))) for row in front]
    traces = [
        _cloud("held-out networks", *held_out, y, shown, [f"network {n}" for n in range(1, len(held_out[0]) + 1)])
        | {"marker": {"color": BLUE, "opacity": 0.75, "size": 7}},
        _cloud("Pareto front", measured, predicted, y, shown, named)
        | {"marker": {"color": AMBER, "size": 10, "symbol": "diamond", "line": {"color": "white", "width": 1}}},
    ]
    return [trace for trace in traces if trace["x"]]


def _cloud(name: str, measured: Floats, predicted: Floats, y: _Shown, shown: str, texts: list[str]) -> dict[str, Any]:
    points = scatter(name, measured.tolist(), y(measured, predicted).tolist())
    return points | {"text": texts, "hovertemplate": hover(_MEASURED, shown)}


def _band(ends: Sequence[float], error: float, opacity: float) -> dict[str, Any]:
    """Where predictions err by no more than the share; straight on logarithmic axes too."""
    low, high = ends
    y = [low * (1 + error), high * (1 + error), high * (1 - error), low * (1 - error)]
    return _filled(f"within {error:.0%}", [low, high, high, low], y, GREEN, opacity)


def _strip(ends: Sequence[float], noise: float) -> dict[str, Any]:
    low, high = ends
    return _filled("noise floor", [low, high, high, low], [noise, noise, -noise, -noise], SLATE, 0.25)


def _filled(name: str, x: list[float], y: list[float], color: str, opacity: float) -> dict[str, Any]:
    red, green, blue = (int(color[index : index + 2], 16) for index in (1, 3, 5))
    return scatter(name, x, y, "lines") | {
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},{opacity})",
        "line": {"width": 0, "color": color},
        "hoverinfo": "skip",
    }


def _equality(ends: Sequence[float]) -> dict[str, Any]:
    line = {"color": SLATE, "width": 1, "dash": "dot"}
    return scatter("as measured", ends, ends, "lines") | {"line": line, "hoverinfo": "skip"}
