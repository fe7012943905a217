"""What a search found as plain Plotly figures, or None when there is nothing to draw."""

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.errors import UsageError
from nas.report.content import Floats, ReportContent, column, flags, latency_source, number
from nas.report.plotting import (
    AMBER,
    BLUE,
    COLORS,
    RED,
    SLATE,
    VIOLET,
    Figure,
    bound_line,
    by_epoch,
    escaped,
    hover,
    layout,
    lengths,
    scale,
    scatter,
    whole_epochs,
)
from nas.report.progress import best_so_far, expected_best
from nas.report.quantities import label, written
from nas.search.constraints import Constraint

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_POINTS", "front_figure", "history_figure", "loss_figure", "training_figure", "validation_figure"]

_VALIDATION = "validation_"
_SIGNS = {"<=": "≤", ">=": "≥"}
MOST_POINTS = 4000
"""A cloud of more points is thinned evenly, so that browsers stay quick."""


def front_figure(content: ReportContent) -> Figure | None:
    """Every candidate by cost and metric, the measured front, the chosen and the largest network, the constraints."""
    candidates, feasible = content.candidates, flags(content.candidates, "feasible")
    points = [
        _cloud(content, content.random, "random draws", AMBER, 0.4, "diamond"),
        _cloud(content, candidates[~feasible], "infeasible", SLATE, 0.35, "x-thin-open"),
        _cloud(content, candidates[feasible], "candidates", SLATE, 0.6, "circle"),
        _front(content),
        _mark(content, content.largest, "largest", VIOLET, "square"),
        _mark(content, content.best, "chosen", RED, "star"),
    ]
    drawn = [trace for trace in points if trace["x"]]
    if not drawn:
        return None
    spots = [x for trace in drawn for x in trace["x"]]
    frame = layout(content.cost, content.score)
    frame["xaxis"] |= scale(spots, 20)
    frame["shapes"] = list(_bounds(content, (min(spots) + max(spots)) / 2))
    return {"data": drawn, "layout": frame}


def history_figure(content: ReportContent) -> Figure | None:
    """The best feasible metric so far against evaluated candidates, beside the expected best of random draws."""
    scores, feasible = column(content.candidates, content.score), flags(content.candidates, "feasible")
    found = best_so_far(scores, feasible, content.maximise)
    luck = expected_best(column(content.random, content.score), content.maximise)
    lines = [
        _line("expected best of random draws", luck, AMBER, {"dash": "dot"}),
        _line("best found by the search", found, BLUE, {"shape": "hv"}),
    ]
    frame = layout("evaluated_candidates", content.score)
    frame["xaxis"]["rangemode"] = "tozero"
    drawn = [line for line in lines if line["x"]]
    return {"data": drawn, "layout": frame} if drawn else None


def training_figure(content: ReportContent) -> Figure | None:
    """The loss and its parts by epoch, on a logarithmic axis where they span more than a factor of ten."""
    return loss_figure(content.epochs)


def loss_figure(epochs: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The same of epochs of training, each with ``epoch``, ``loss`` and any of ``loss_<role>``."""
    names = [name for name in _names(epochs) if name.split("_")[0] == "loss"]
    called = {name: "total" if name == "loss" else name.removeprefix("loss_").replace("_", " ") for name in names}
    figure = _by_epoch(epochs, called, "loss")
    if figure is not None:
        figure["layout"]["yaxis"] |= scale([loss for line in figure["data"] for loss in line["y"]], 10)
    return figure


def validation_figure(epochs: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The scores of networks while the supernet trained, of epochs that have any of ``validation_<metric>_<name>``."""
    names = [name for name in _names(epochs) if name.startswith(_VALIDATION)]
    parts = {name: name.removeprefix(_VALIDATION).rpartition("_") for name in names}
    called = {name: network for name, (_, _, network) in parts.items()}
    return _by_epoch(epochs, called, next((metric for metric, _, _ in parts.values()), ""))


def _names(epochs: Sequence[Mapping[str, Any]]) -> dict[str, None]:
    """What any of them tells, once."""
    return dict.fromkeys(name for epoch in epochs for name in epoch)


def _by_epoch(epochs: Sequence[Mapping[str, Any]], called: Mapping[str, str], axis: str) -> Figure | None:
    """A line for each of the named figures that any epoch has; the first is drawn thicker."""
    lines = []
    for index, (name, words) in enumerate(called.items()):
        values = {number(epoch, "epoch"): number(epoch, name) for epoch in epochs}
        known = {epoch: value for epoch, value in values.items() if not math.isnan(value)}
        lines.append(by_epoch(words, known, COLORS[index % 6], 1.5 if index else 2.5))
    drawn = [line for line in lines if line["x"]]
    if not drawn:
        return None
    frame = layout("epoch", axis)
    frame["xaxis"] |= whole_epochs(len(epochs))
    return {"data": drawn, "layout": frame}


def _cloud(
    content: ReportContent, table: "pd.DataFrame", name: str, color: str, opacity: float, symbol: str
) -> dict[str, Any]:
    x, y = column(table, content.cost), column(table, content.score)
    known = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
    known = known[:: max(1, math.ceil(len(known) / MOST_POINTS))]
    identities = table["id"].to_numpy()[known] if "id" in table else known
    return {
        **_points(content, name, x[known].tolist(), y[known].tolist()),
        "text": [escaped(f"{name} #{identity}") for identity in identities],
        "marker": {"color": color, "opacity": opacity, "size": 6, "symbol": symbol, "line": {"color": color}},
    }


def _front(content: ReportContent) -> dict[str, Any]:
    known = [network for network in content.front if _is_placed(content, network)]
    known.sort(key=lambda network: number(network, content.cost))
    x, y = (np.array([number(network, name) for network in known]) for name in (content.cost, content.score))
    low, high = (
        np.array([number(network, f"{content.score}_{side}") for network in known]) for side in ("low", "high")
    )
    thin = {"color": BLUE, "thickness": 1, "width": 3}
    trace = {
        **_points(content, f"Pareto front, {latency_source(content)}", x.tolist(), y.tolist()),
        "text": ["Pareto front"] * len(known),
        "mode": "lines+markers",
        "line": {"color": BLUE, "width": 2},
        "marker": {"color": BLUE, "size": 9, "line": {"color": "white", "width": 1}},
        "error_y": {"type": "data", "array": lengths(high - y), "arrayminus": lengths(y - low), **thin},
    }
    if content.cost == "latency_ms":
        spread = np.array([number(network, "latency_spread_ms") for network in known])
        trace["error_x"] = {"type": "data", "array": lengths(spread), **thin}
    return trace


def _mark(content: ReportContent, network: Mapping[str, Any], name: str, color: str, symbol: str) -> dict[str, Any]:
    known = [network] if _is_placed(content, network) else []
    x, y = ([number(row, column) for row in known] for column in (content.cost, content.score))
    return {
        **_points(content, f"{name} network", x, y),
        "text": [f"the {name} network"] * len(known),
        "marker": {"color": color, "size": 16 if symbol == "star" else 11, "symbol": symbol}
        | {"line": {"color": "white", "width": 1}},
    }


def _points(content: ReportContent, name: str, x: list[float], y: list[float]) -> dict[str, Any]:
    return scatter(name, x, y) | {"hovertemplate": hover(content.cost, content.score)}


def _line(name: str, values: Floats, color: str, style: dict[str, str]) -> dict[str, Any]:
    """A line over 1, 2, ... through the values: the first, the last and those that differ from the one before."""
    known = np.flatnonzero(~np.isnan(values))
    kept = known[np.diff(values[known], prepend=np.nan) != 0]
    kept = np.union1d(kept[:: max(1, math.ceil(len(kept) / MOST_POINTS))], known[-1:])
    mode = "lines+markers" if len(kept) == 1 else "lines"
    line = scatter(name, (kept + 1).tolist(), values[kept].tolist(), mode)
    return line | {"line": {"color": color, "width": 2.5, **style}}


def _bounds(content: ReportContent, middle: float) -> Iterable[dict[str, Any]]:
    """A labelled line for each constraint on one of the two axes; right of the middle, the label stands on its left."""
    known = {name: number(content.largest, name) for name in (content.cost, content.metric)}
    for text in content.summary.get("constraints") or ():
        with contextlib.suppress(UsageError):  # an unreadable constraint is still shown as text
            bound = Constraint.parse(str(text)).resolve(known)
            if bound.metric in known and math.isfinite(bound.bound):
                upright = bound.metric == content.cost
                side = "right" if upright and bound.bound > middle else "left"
                sign, limit = _SIGNS.get(bound.operator, bound.operator), written(bound.metric, bound.bound)
                name = f"{label(bound.metric)} {sign} {limit}"
                yield bound_line(name, bound.bound, *(("x", "y") if upright else ("y", "x")), side)


def _is_placed(content: ReportContent, network: Mapping[str, Any]) -> bool:
    return not any(math.isnan(number(network, name)) for name in (content.cost, content.score))
