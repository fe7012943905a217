"""The page of a search without a model: what was found, how soon, and what everything that was tried has."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.files import write_file
from nas.report.content import column, flags
from nas.report.drawing import time_bar
from nas.report.header import card
from nas.report.plotting import BLUE, RED, SLATE, Figure, escaped, hover, layout, scatter
from nas.report.progress import best_so_far
from nas.report.quantities import label, written
from nas.report.reproduce import reproduction
from nas.report.search_page import checked_path, page
from nas.report.sections import figure_with_caption, section, sortable
from nas.search import Objective
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ContentWithoutModel", "render_report_without_model", "write_report_without_model"]

_MOST_ROWS = 1000


@dataclass(frozen=True, eq=False)
class ContentWithoutModel:
    """What the page shows, as plain values.

    Attributes:
        title: name of the run.
        summary: as of :class:`nas.report.ReportContent`.
        objectives: what was searched for, the first one and perhaps a cost.
        result: what ``best.json`` holds.
        candidates: a row an architecture, in evaluation order: id, architecture (JSON), metrics, feasible, pareto.
    """

    title: str
    summary: Mapping[str, Any]
    objectives: Sequence[Objective]
    result: Mapping[str, Any]
    candidates: "pd.DataFrame"

    @property
    def metrics(self) -> list[str]:
        """Names of the figures of a candidate."""
        others = ("id", "architecture", "feasible", "pareto")
        return [str(name) for name in self.candidates if name not in others]


def write_report_without_model(path: str | Path, content: ContentWithoutModel) -> Path:
    """Write the page as one HTML file like :func:`nas.report.write_report`."""
    return write_file(checked_path(path), render_report_without_model(content))


def render_report_without_model(content: ContentWithoutModel) -> str:
    """The whole page as text."""
    best = content.result["best"]
    history = figure_with_caption("history", _history(content), "The best so far, candidate by candidate.", "")
    front = figure_with_caption("front", _front(content), "Every candidate; the front is coloured.", "")
    time = time_bar(content.summary.get("seconds") or {})
    sections = [
        section("Search", history),
        *([section("Pareto front", front)] if len(content.objectives) > 1 else ()),
        section("Candidates", _table(content)),
        section("How to reproduce", time + reproduction(content.summary, best["architecture"])),
    ]
    return page(content.title, content.summary, content.result["notes"], _cards(content), sections)


def _cards(content: ContentWithoutModel) -> str:
    """HTML of a card for each figure of what was found."""
    best = content.result["best"]
    names = [name for name in best if name not in ("id", "architecture")]
    tried = card("Candidates", f"{len(content.candidates):,}", f"of {content.summary['architectures']:,}", "")
    return "".join([*(card(label(name), written(name, float(best[name])), "", "") for name in names), tried])


def _history(content: ContentWithoutModel) -> Figure:
    sought = content.objectives[0]
    values = column(content.candidates, sought.metric)
    best = best_so_far(values, flags(content.candidates, "feasible"), sought.maximise)
    evaluated = [number for number, value in enumerate(values, start=1) if not math.isnan(value)]
    tried = scatter("candidates", list(range(1, len(values) + 1)), list(map(_finite, values)))
    line = scatter("best so far", evaluated, list(map(_finite, best)), "lines")
    line |= {"line": {"color": BLUE, "shape": "hv"}}
    frame = layout("evaluated_candidates", sought.metric)
    frame["xaxis"]["rangemode"] = "tozero"
    return {"data": [tried | {"marker": {"color": SLATE, "size": 4}, "opacity": 0.5}, line], "layout": frame}


def _front(content: ContentWithoutModel) -> Figure | None:
    if len(content.objectives) == 1:
        return None
    sought, cost = (each.metric for each in content.objectives)
    on_front, texts = flags(content.candidates, "pareto"), list(map(escaped, map(str, content.candidates["id"])))
    traces = []
    for name, rows, color in (("candidates", ~on_front, SLATE), ("front", on_front, RED)):
        part = content.candidates[rows]
        costs, values = (list(map(_finite, column(part, each))) for each in (cost, sought))
        trace = scatter(name, costs, values) | {"marker": {"color": color, "size": 6}}
        shown = [text for text, row in zip(texts, rows, strict=True) if row]
        traces.append(trace | {"text": shown, "hovertemplate": hover(cost, sought)})
    return {"data": [trace for trace in traces if trace["x"]], "layout": layout(cost, sought)}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _table(content: ContentWithoutModel) -> str:
    """HTML: the candidates, the best first."""
    sought = content.objectives[0]
    table = content.candidates.sort_values(sought.metric, ascending=not sought.maximise).head(_MOST_ROWS)
    heads = ["#", *map(label, content.metrics), "Feasible", "Architecture"]
    rows = (
        f"<tr><td>{html.escape(str(row['id']))}</td>"
        + "".join(_number(name, row[name]) for name in content.metrics)
        + f"<td>{'yes' if row['feasible'] else 'no'}</td>"
        f'<td class="architecture" tabindex="0"><code>{html.escape(str(row["architecture"]))}</code></td></tr>'
        for row in table.to_dict("records")
    )
    left = len(content.candidates) - len(table)
    more = f"<p>{counted(left, 'candidate')} more are in candidates.csv.</p>" if left else ""
    return sortable("candidates-table", heads, rows) + more


def _number(name: str, value: float) -> str:
    order = "" if math.isnan(value) else repr(float(value))
    return f'<td class="number" data-order="{order}">{html.escape(written(name, float(value)))}</td>'
