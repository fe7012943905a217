"""The figures as plain Plotly JSON: ``{"data": traces, "layout": ...}``, or None when there is nothing to draw.

Colours are middle tones that read on white and on near black; text and grid lines take theirs from the page.
"""

import contextlib
import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.errors import UsageError
from nas.report.content import Floats, ReportContent, column, flags, number
from nas.report.progress import best_so_far, expected_best
from nas.report.quantities import axis_format, axis_title
from nas.search.constraints import Constraint

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_POINTS", "Figure", "front_figure", "history_figure", "training_figure"]

Figure = dict[str, Any]

MOST_POINTS = 4000
"""A cloud of more points is thinned evenly, so that browsers stay quick."""

_BLUE, _SLATE, _AMBER, _RED, _VIOLET, _GREEN = "#3b82f6", "#8191a8", "#d9a13b", "#ef5b4c", "#9b7bea", "#2fa37a"


def front_figure(content: ReportContent) -> Figure | None:
    """Every candidate by cost and metric, the measured front, the chosen and the largest network, the constraints."""
    candidates, feasible = content.candidates, flags(content.candidates, "feasible")
    points = [
        _cloud(content, content.random, "random draws", _AMBER, 0.4, "diamond"),
        _cloud(content, candidates[~feasible], "infeasible", _SLATE, 0.35, "x-thin-open"),
        _cloud(content, candidates[feasible], "candidates", _SLATE, 0.6, "circle"),
        _front(content),
        _mark(content, content.largest, "largest", _VIOLET, "square"),
        _mark(content, content.best, "chosen", _RED, "star"),
    ]
    drawn = [trace for trace in points if trace["x"]]
    if not drawn:
        return None
    spots = [x for trace in drawn for x in trace["x"]]
    layout = _layout(content.cost, content.metric)
    layout["xaxis"] |= _scale(spots, 20)
    layout["shapes"] = list(_bounds(content, (min(spots) + max(spots)) / 2))
    return {"data": drawn, "layout": layout}


def history_figure(content: ReportContent) -> Figure | None:
    """The best feasible metric so far against evaluated candidates, beside the expected best of random draws."""
    found = best_so_far(column(content.candidates, content.metric), flags(content.candidates, "feasible"))
    luck = expected_best(column(content.random, content.metric))
    lines = [
        _line("expected best of random draws", luck, _AMBER, {"dash": "dot"}),
        _line("best found by the search", found, _BLUE, {"shape": "hv"}),
    ]
    layout = _layout("evaluated_candidates", content.metric)
    layout["xaxis"]["rangemode"] = "tozero"
    drawn = [line for line in lines if line["x"]]
    return {"data": drawn, "layout": layout} if drawn else None


def training_figure(content: ReportContent) -> Figure | None:
    """The loss and its parts by epoch, on a logarithmic axis where they span more than a factor of ten."""
    names = dict.fromkeys(name for epoch in content.epochs for name in epoch if name.split("_")[0] == "loss")
    lines: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        known = [epoch for epoch in content.epochs if not math.isnan(number(epoch, name))]
        color = (_BLUE, _AMBER, _GREEN, _VIOLET, _RED, _SLATE)[place % 6]
        lines.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(known) < 30 else "lines",
                "name": _escaped("total" if name == "loss" else name.removeprefix("loss_").replace("_", " ")),
                "x": [number(epoch, "epoch") for epoch in known],
                "y": [number(epoch, name) for epoch in known],
                "line": {"color": color, "width": 2.5 if name == "loss" else 1.5},
                "marker": {"size": 5},
            }
        )
    losses = [loss for line in lines for loss in line["y"]]
    if not losses:
        return None
    layout = _layout("epoch", "loss")
    layout["yaxis"] |= _scale(losses, 10)
    return {"data": [line for line in lines if line["x"]], "layout": layout}


def _cloud(
    content: ReportContent, table: "pd.DataFrame", name: str, color: str, opacity: float, symbol: str
) -> dict[str, Any]:
    x, y = column(table, content.cost), column(table, content.metric)
    known = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
    known = known[:: max(1, math.ceil(len(known) / MOST_POINTS))]
    identities = table["id"].to_numpy()[known] if "id" in table else known
    return {
        **_points(content, name, x[known].tolist(), y[known].tolist()),
        "text": [_escaped(f"{name} #{identity}") for identity in identities],
        "marker": {"color": color, "opacity": opacity, "size": 6, "symbol": symbol, "line": {"color": color}},
    }


def _front(content: ReportContent) -> dict[str, Any]:
    known = [network for network in content.front if _is_placed(content, network)]
    known.sort(key=lambda network: number(network, content.cost))
    x, y = (np.array([number(network, name) for network in known]) for name in (content.cost, content.metric))
    low, high = (
        np.array([number(network, f"{content.metric}_{side}") for network in known]) for side in ("low", "high")
    )
    thin = {"color": _BLUE, "thickness": 1, "width": 3}
    trace = {
        **_points(content, "Pareto front, measured", x.tolist(), y.tolist()),
        "text": ["Pareto front"] * len(known),
        "mode": "lines+markers",
        "line": {"color": _BLUE, "width": 2},
        "marker": {"color": _BLUE, "size": 9, "line": {"color": "white", "width": 1}},
        "error_y": {"type": "data", "array": _or_zero(high - y), "arrayminus": _or_zero(y - low), **thin},
    }
    if content.cost == "latency_ms":
        spread = np.array([number(network, "latency_spread_ms") for network in known])
        trace["error_x"] = {"type": "data", "array": _or_zero(spread), **thin}
    return trace


def _mark(content: ReportContent, network: Mapping[str, Any], name: str, color: str, symbol: str) -> dict[str, Any]:
    known = [network] if _is_placed(content, network) else []
    return {
        **_points(
            content,
            f"{name} network",
            [number(row, content.cost) for row in known],
            [number(row, content.metric) for row in known],
        ),
        "text": [f"the {name} network"] * len(known),
        "marker": {"color": color, "size": 16 if symbol == "star" else 11, "symbol": symbol}
        | {"line": {"color": "white", "width": 1}},
    }


def _points(content: ReportContent, name: str, x: list[float], y: list[float]) -> dict[str, Any]:
    axes = (("x", content.cost), ("y", content.metric))
    values = "".join(
        f"<br>{_escaped(axis_title(quantity))}: %{{{axis}:{_hover_format(quantity)}}}" for axis, quantity in axes
    )
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": x,
        "y": y,
        "hovertemplate": f"%{{text}}{values}<extra></extra>",
    }


def _line(name: str, values: Floats, color: str, style: dict[str, str]) -> dict[str, Any]:
    """A line over 1, 2, ... through the values: the first, the last and those that differ from the one before."""
    known = np.flatnonzero(~np.isnan(values))
    kept = known[np.diff(values[known], prepend=np.nan) != 0]
    kept = np.union1d(kept[:: max(1, math.ceil(len(kept) / MOST_POINTS))], known[-1:])
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(kept) == 1 else "lines",
        "name": name,
        "x": (kept + 1).tolist(),
        "y": values[kept].tolist(),
        "line": {"color": color, "width": 2.5, **style},
    }


def _bounds(content: ReportContent, middle: float) -> Iterable[dict[str, Any]]:
    """A labelled line for each constraint on one of the two axes; right of the middle, the label stands on its left."""
    known = {name: number(content.largest, name) for name in (content.cost, content.metric)}
    for text in content.summary.get("constraints") or ():
        with contextlib.suppress(UsageError):  # an unreadable constraint is still shown as text
            bound = Constraint.parse(str(text)).resolve(known)
            if bound.metric in known and math.isfinite(bound.bound):
                upright = bound.metric == content.cost
                side = "right" if upright and bound.bound > middle else "left"
                yield _bound(bound, *(("x", "y") if upright else ("y", "x")), side)


def _bound(bound: Constraint, along: str, across: str, side: str) -> dict[str, Any]:
    text = f"{bound.metric} {bound.operator} {bound.bound:.4g}"
    return {
        "type": "line",
        f"{along}ref": along,
        f"{along}0": bound.bound,
        f"{along}1": bound.bound,
        f"{across}ref": f"{across} domain",
        f"{across}0": 0,
        f"{across}1": 1,
        "line": {"color": _RED, "width": 1.5, "dash": "dash"},
        "label": {
            "text": _escaped(text),
            "textposition": "start",
            "textangle": 0,
            "xanchor": side,
        }
        | {"font": {"color": _RED}},
    }


def _is_placed(content: ReportContent, network: Mapping[str, Any]) -> bool:
    return not any(math.isnan(number(network, name)) for name in (content.cost, content.metric))


def _scale(values: Sequence[float], factor: float) -> dict[str, str]:
    """A logarithmic axis, with ticks at 1, 2 and 5, for positive values that span more than the factor."""
    wide = min(values) > 0 and max(values) / min(values) > factor
    return {"type": "log", "dtick": "D2"} if wide else {"type": "linear"}


def _escaped(text: str) -> str:
    """For Plotly, which reads a little HTML in every text but knows no quotation entity."""
    return html.escape(text, quote=False)


def _or_zero(lengths: Floats) -> Sequence[float]:
    return [float(length) for length in np.maximum(np.nan_to_num(lengths), 0)]


def _hover_format(name: str) -> str:
    return {".1~%": ".2%", "~s": ".3~s"}.get(axis_format(name), ".4~g")


def _layout(x: str, y: str) -> dict[str, Any]:
    def axis(name: str) -> dict[str, Any]:
        title = {"text": _escaped(axis_title(name)), "standoff": 12}
        return {"title": title, "tickformat": axis_format(name), "automargin": True, "zeroline": False}

    return {
        "autosize": True,
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "hoverlabel": {"bgcolor": "#1f2733", "bordercolor": "#1f2733", "font": {"color": "#ffffff"}},
        "hovermode": "closest",
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": True,
        "xaxis": axis(x),
        "yaxis": axis(y),
    }
