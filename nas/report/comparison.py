"""The page that lays runs beside each other: their fronts in one figure, their networks, the settings that differ."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.files import write_file
from nas.report.content import number
from nas.report.header import card
from nas.report.plotting import COLORS, Figure, hover, layout, scale, scatter
from nas.report.quantities import in_sentence, label, written
from nas.report.search_page import checked_path, page
from nas.report.sections import figure_with_caption, section, sortable
from nas.wording import counted

__all__ = ["ComparedRun", "render_comparison", "write_comparison"]

_FIGURES = ("latency_ms", "params", "flops", "peak_memory_bytes")
_UNKNOWN = "\N{EN DASH}"


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        name: by which it is told from the others.
        about: ``space``, ``task``, ``method``, ``strategy`` and so on, as text.
        best: the network that it delivers, as in ``best.json``.
        front: its Pareto front, likewise.
        notes: what a user should know of its result.
    """

    name: str
    about: Mapping[str, str]
    best: Mapping[str, Any]
    front: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()


def write_comparison(
    path: Path, runs: Sequence[ComparedRun], metric: str, cost: str, settings: Mapping[str, Sequence[str]],
    notes: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Writes the page as one HTML file that needs no network.

    Args:
        metric: of all the runs.
        cost: on the x axis.
        settings: key → its value in each run, of those that differ.
        notes: sentences before anything else.
    """
    return write_file(checked_path(path), render_comparison(runs, metric, cost, settings, notes))


def render_comparison(
    runs: Sequence[ComparedRun], metric: str, cost: str, settings: Mapping[str, Sequence[str]], notes: Sequence[str]
) -> str:
    """The same as text."""
    count = counted(sum(len(run.front) for run in runs), "architecture")
    caption = (
        f"{count} on the fronts of {counted(len(runs), 'run')}; a star is what a run delivers, which may have "
        "trained on by itself since. Scores are of the part of the validation split that confirms, where there is one."
    )
    missing = f"No architecture has both {in_sentence(metric)} and {in_sentence(cost)}."
    front = figure_with_caption("fronts", _fronts(runs, metric, cost), caption, missing)
    sections = [section("Fronts", front), section("Delivered networks", _networks(runs, metric))]
    sections.append(section("Settings that differ", _settings(runs, settings)))
    said = [f"{run.name}: {note}" for run in runs for note in run.notes]
    return page("Comparison of runs", {}, [*notes, *said], _cards(runs, metric), sections)


def _cards(runs: Sequence[ComparedRun], metric: str) -> str:
    tested = f"test_{metric}"
    shown = metric if all(math.isnan(number(run.best, tested)) for run in runs) else tested
    scores = [(run, written(shown, number(run.best, shown))) for run in runs]
    about = in_sentence(shown)
    return "".join(card(run.name, score, about, html.escape(_interval(run, shown))) for run, score in scores)


def _interval(run: ComparedRun, name: str) -> str:
    low, high = (number(run.best, f"{name}_{side}") for side in ("low", "high"))
    return "" if math.isnan(low + high) else f"95% interval {written(name, low)} to {written(name, high)}"


def _fronts(runs: Sequence[ComparedRun], metric: str, cost: str) -> Figure | None:
    traces = []
    for index, run in enumerate(runs):
        color = COLORS[index % len(COLORS)]
        known = [(x, y) for row in run.front if not math.isnan((x := number(row, cost)) + (y := number(row, metric)))]
        known.sort()
        line = scatter(run.name, [x for x, _ in known], [y for _, y in known], "lines+markers")
        line |= {"line": {"color": color, "width": 2}, "marker": {"color": color, "size": 8}, "legendgroup": str(index)}
        x, y = number(run.best, cost), number(run.best, metric)
        star = scatter(run.name, [x], [y]) | {"legendgroup": str(index), "showlegend": False}
        star |= {"marker": {"color": color, "size": 16, "symbol": "star", "line": {"color": "white", "width": 1}}}
        traces += [line] if known else []
        traces += [] if math.isnan(x + y) else [star]
    if not traces:
        return None
    frame = layout(cost, metric)
    frame["xaxis"] |= scale([x for trace in traces for x in trace["x"]], 20)
    shown = {"hovertemplate": hover(cost, metric)}
    return {"data": [trace | shown | {"text": [trace["name"]] * len(trace["x"])} for trace in traces], "layout": frame}


def _networks(runs: Sequence[ComparedRun], metric: str) -> str:
    about = list(dict.fromkeys(name for run in runs for name in run.about))
    known = (metric, f"test_{metric}", *_FIGURES)
    figures = [name for name in known if not all(math.isnan(number(run.best, name)) for run in runs)]
    rows = (
        "<tr>"
        + "".join(f"<td>{html.escape(text)}</td>" for text in (run.name, *(run.about.get(name, "") for name in about)))
        + "".join(_number_cell(run.best, name) for name in figures)
        + "</tr>"
        for run in runs
    )
    return sortable("runs-table", ["Run", *map(label, about), *map(label, figures)], rows)


def _number_cell(row: Mapping[str, Any], name: str) -> str:
    value = number(row, name)
    order = "" if math.isnan(value) else repr(value)
    return f'<td class="number" data-order="{order}">{html.escape(written(name, value))}</td>'


def _settings(runs: Sequence[ComparedRun], settings: Mapping[str, Sequence[str]]) -> str:
    if not settings:
        return '<p class="empty">All of them have the same settings.</p>'
    rows = (
        f"<tr><td><code>{html.escape(key)}</code></td>"
        + "".join(f"<td>{html.escape(value) or _UNKNOWN}</td>" for value in values)
        + "</tr>"
        for key, values in settings.items()
    )
    return sortable("settings-table", ["Setting", *(run.name for run in runs)], rows)
