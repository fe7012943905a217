"""How architecture parameters went, as Plotly figures, or None when there is nothing to draw."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nas.report.architecture_records import grouped, kind, recorded, thinned
from nas.report.content import ReportContent, number
from nas.report.plotting import (
    AMBER,
    BLUE,
    GREEN,
    RED,
    SLATE,
    VIOLET,
    Figure,
    by_epoch,
    category_axis,
    heat_map,
    layout,
    whole_epochs,
)

__all__ = ["entropy_figure", "probability_figures"]

_HEAD_HEIGHT, _ROW_HEIGHT, _SLIDER_HEIGHT = 60, 26, 90
"""Pixels of a heat map's parts."""


def entropy_figure(content: ReportContent) -> Figure | None:
    """The mean entropy of each group of choices by epoch, as a share of what equal probabilities would have."""
    options, epochs = content.relaxation or {}, thinned(recorded(content))
    choices = [name for name, texts in options.items() if len(texts) > 1]
    groups = grouped(choices)
    lines = [
        _entropy_line(name or "other choices", epochs, options, members, color, 1.5)
        for (name, members), color in zip(groups.items(), (AMBER, GREEN, VIOLET, RED, SLATE, "#c26aa6"), strict=False)
        if len(groups) > 1
    ]
    lines.append(_entropy_line("all choices", epochs, options, choices, BLUE, 3))
    drawn = [line for line in lines if line["x"]]
    if not drawn:
        return None
    frame = layout("epoch", "share")
    frame["xaxis"] |= whole_epochs(len(epochs))
    frame["yaxis"]["title"]["text"] = "Entropy, share of the largest"
    frame["yaxis"]["rangemode"] = "tozero"
    return {"data": drawn, "layout": frame}


def probability_figures(content: ReportContent) -> dict[str, Figure]:
    """Title → heat map of the last probabilities, choices by options, with a slider over epochs.

    There is one for each group and kind of choices, so that normal and reduction cells stand apart.
    """
    options = content.relaxation or {}
    epochs = [epoch for epoch in recorded(content) if epoch["architecture"].get("probabilities")]
    if not epochs:
        return {}
    panels: dict[str, list[str]] = {}
    for group, members in grouped(options).items():
        for name in members:
            title = ", ".join(part for part in (group, kind(name)) if part)
            panels.setdefault(title or "choices", []).append(name)
    figures = {
        title: _heat_map(thinned(epochs), options, [name for name in members if _is_weighed(epochs[-1], name)])
        for title, members in panels.items()
    }
    return {title: figure for title, figure in figures.items() if figure is not None}


def _is_weighed(epoch: Mapping[str, Any], choice: str) -> bool:
    """Whether a choice has probabilities that say something: not where each of its options is taken for certain."""
    found = epoch["architecture"]["probabilities"].get(choice)
    return found is None or len(found) == 1 or min(found) < 1


def _entropy_line(
    name: str,
    epochs: Iterable[Mapping[str, Any]],
    options: Mapping[str, Sequence[str]],
    choices: Sequence[str],
    color: str,
    width: float,
) -> dict[str, Any]:
    points = {number(epoch, "epoch"): _mean_entropy(epoch["architecture"], options, choices) for epoch in epochs}
    known = {epoch: round(share, 5) for epoch, share in points.items() if not math.isnan(share)}
    return by_epoch(name, known, color, width)


def _mean_entropy(record: Mapping[str, Any], options: Mapping[str, Sequence[str]], choices: Sequence[str]) -> float:
    """The mean over choices of entropy / log(options); NaN if none is known."""
    entropy = record.get("entropy") or {}
    shares = [number(entropy, name) / math.log(len(options[name])) for name in choices]
    known = [share for share in shares if not math.isnan(share)]
    return sum(known) / len(known) if known else math.nan


def _heat_map(
    epochs: Sequence[Mapping[str, Any]], options: Mapping[str, Sequence[str]], choices: Sequence[str]
) -> Figure | None:
    recorded = set().union(*(epoch["architecture"]["probabilities"] for epoch in epochs))
    choices = [name for name in choices if name in recorded]
    if not choices:
        return None
    columns = list(dict.fromkeys(text for name in choices for text in options[name]))
    cells = [_cells(epoch["architecture"]["probabilities"], options, choices, columns) for epoch in epochs]
    trace = heat_map(columns, _short(choices), cells[-1]) | {
        "name": "probability",
        "texttemplate": "%{z:.0%}",
        "hovertemplate": "%{y}<br>%{x}: %{z:.2%}<extra></extra>",
    }
    frame = layout("option", "choice") | {"showlegend": False, "height": _HEAD_HEIGHT + _ROW_HEIGHT * len(choices)}
    frame |= {"xaxis": category_axis() | {"side": "top"}, "yaxis": category_axis() | {"autorange": "reversed"}}
    if len(epochs) > 1:
        frame["sliders"] = [_slider([number(epoch, "epoch") for epoch in epochs], cells)]
        frame["margin"] |= {"b": _SLIDER_HEIGHT}
        frame["height"] += _SLIDER_HEIGHT
    return {"data": [trace], "layout": frame}


def _cells(
    probabilities: Mapping[str, Sequence[float]],
    options: Mapping[str, Sequence[str]],
    choices: Sequence[str],
    columns: Sequence[str],
) -> list[list[float | None]]:
    """``[choices][columns]``; None where a choice lacks the option or its probability is unknown."""
    rows = [dict(zip(options[name], probabilities.get(name) or (), strict=False)) for name in choices]
    return [[_rounded(number(row, column)) for column in columns] for row in rows]


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _short(choices: Sequence[str]) -> list[str]:
    """The names without the first part, if all share it."""
    first = choices[0].partition(".")[0] + "."
    shared = all(name.startswith(first) for name in choices)
    return [name.removeprefix(first) for name in choices] if shared else list(choices)


def _slider(epochs: Sequence[float], cells: Sequence[list[list[float | None]]]) -> dict[str, Any]:
    """Its steps put the cells of an epoch into the heat map."""
    return {
        "active": len(epochs) - 1,
        "currentvalue": {"prefix": "Epoch ", "font": {"size": 13}},
        "pad": {"t": 12},
        "bgcolor": SLATE,
        "bordercolor": SLATE,
        "tickcolor": SLATE,
        "steps": [
            {"method": "restyle", "label": f"{epoch:g}", "args": [{"z": [z]}, [0]]}
            for epoch, z in zip(epochs, cells, strict=True)
        ],
    }
