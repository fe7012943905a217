"""What all figures share. A figure is plain Plotly JSON: ``{"data": traces, "layout": ...}``.

Colours are middle tones that read on white and on near black; text and grid lines take theirs from the page.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.report.content import Floats
from nas.report.quantities import axis_format, axis_title

__all__ = [
    "AMBER", "BLUE", "COLORS", "GREEN", "RED", "SLATE", "VIOLET",
    "Figure", "bound_line", "by_epoch", "category_axis", "escaped", "heat_map", "hover", "layout", "lengths",
    "scale", "scatter", "whole_epochs",
]  # fmt: skip

Figure = dict[str, Any]

BLUE, SLATE, AMBER, RED, VIOLET, GREEN = "#3b82f6", "#8191a8", "#d9a13b", "#ef5b4c", "#9b7bea", "#2fa37a"
COLORS = (BLUE, AMBER, GREEN, VIOLET, RED, SLATE)


def layout(x: str, y: str) -> dict[str, Any]:
    """The layout of a figure whose axes show the columns ``x`` and ``y``."""

    def axis(name: str) -> dict[str, Any]:
        title = {"text": escaped(axis_title(name)), "standoff": 12}
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


def scatter(name: str, x: Sequence[float | None], y: Sequence[float | None], mode: str = "markers") -> dict[str, Any]:
    """A trace of points, or of lines as the mode says."""
    return {"type": "scatter", "mode": mode, "name": escaped(name), "x": x, "y": y}


def by_epoch(name: str, values: Mapping[float, float], color: str, width: float) -> dict[str, Any]:
    """A line through the value of each epoch, which is marked where there are few."""
    line = scatter(name, list(values), list(values.values()), "lines+markers" if len(values) < 30 else "lines")
    return line | {"line": {"color": color, "width": width}, "marker": {"size": 5}}


def whole_epochs(count: int) -> dict[str, Any]:
    """An axis of few epochs, which has no tick between them."""
    return {"dtick": 1} if count < 10 else {}


def heat_map(columns: Sequence[str], rows: Sequence[str], cells: Sequence[Sequence[float | None]]) -> dict[str, Any]:
    """A trace of shares ``[rows, columns]`` between 0 and 1, darker where there is more."""
    return {
        "type": "heatmap",
        "x": [escaped(text) for text in columns],
        "y": [escaped(text) for text in rows],
        "z": cells,
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, "rgba(59,130,246,0.04)"], [1, "rgba(59,130,246,1)"]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }


def category_axis() -> dict[str, Any]:
    """An axis of names that cannot be zoomed."""
    return {"type": "category", "automargin": True, "showgrid": False, "fixedrange": True}


def scale(values: Sequence[float], factor: float) -> dict[str, str]:
    """A logarithmic axis, with ticks at 1, 2 and 5, for positive values that span more than the factor."""
    wide = min(values) > 0 and max(values) / min(values) > factor
    return {"type": "log", "dtick": "D2"} if wide else {"type": "linear"}


def bound_line(text: str, value: float, along: str, across: str, side: str, position: str = "start") -> dict[str, Any]:
    """A labelled line at ``value`` of the axis ``along``, over the whole of the axis ``across``.

    Args:
        along: ``x`` or ``y``; ``across`` is the other.
        side: ``left`` or ``right``, where the label's anchor is.
        position: ``start`` or ``end`` of the line, where the label is.
    """
    return {
        "type": "line",
        f"{along}ref": along,
        f"{along}0": value,
        f"{along}1": value,
        f"{across}ref": f"{across} domain",
        f"{across}0": 0,
        f"{across}1": 1,
        "line": {"color": RED, "width": 1.5, "dash": "dash"},
        "label": {"text": escaped(text), "textposition": position, "textangle": 0, "xanchor": side}
        | {"font": {"color": RED}},
    }


def hover(x: str, y: str) -> str:
    """What hovering over a point says: its text, then its two values."""
    formats = {".1~%": ".2%", "~s": ".3~s"}
    values = "".join(
        f"<br>{escaped(axis_title(name))}: %{{{axis}:{formats.get(axis_format(name), '.4~g')}}}"
        for axis, name in (("x", x), ("y", y))
    )
    return f"%{{text}}{values}<extra></extra>"


def escaped(text: str) -> str:
    """For Plotly, which reads a little HTML in every text but knows no quotation entity."""
    return html.escape(text, quote=False)


def lengths(values: Floats) -> Sequence[float]:
    """Lengths of error bars: nothing below zero, and zero where unknown."""
    return [float(value) for value in np.maximum(np.nan_to_num(values), 0)]
