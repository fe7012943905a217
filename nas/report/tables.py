"""Networks as HTML tables whose columns the page's script can sort."""

import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nas.report.captions import two_figures
from nas.report.content import ReportContent, column, flags, number
from nas.report.quantities import label, relative_spread, written
from nas.report.sections import sortable

__all__ = ["MOST_ROWS", "candidate_table", "front_table", "sortable_table"]

MOST_ROWS = 500

_COSTS = (
    "latency_ms", "measured_latency_ms", "params", "flops", "peak_memory_bytes", "weight_bytes", "weight_bytes_int8",
)  # fmt: skip


def front_table(content: ReportContent) -> str:
    """The measured front, cheapest first."""
    if not content.front:
        return '<p class="empty">The front is empty.</p>'
    ordered = sorted(content.front, key=lambda network: (math.isnan(cost := number(network, content.cost)), cost))
    rows = [{"id": index, **network} for index, network in enumerate(ordered, start=1)]
    scores = [name for name in dict.fromkeys([content.metric, content.score]) if any(name in row for row in rows)]
    columns = [*scores, *(name for name in (*_COSTS, *content.own_costs) if any(name in row for row in rows))]
    about = f"<p>{html.escape(two_figures(content))}</p>" if f"shared_{content.metric}" in content.best else ""
    return about + sortable_table("front-table", ["id", *columns, "architecture"], rows, content.metric)


def candidate_table(content: ReportContent) -> str:
    """All candidates, the best feasible ones first; of more than :data:`MOST_ROWS` only those, and it says so."""
    table = content.candidates
    if not len(table):
        return '<p class="empty">No candidate was evaluated.</p>'
    score = column(table, content.score)
    worst_last = np.nan_to_num(-score if content.maximise else score, nan=np.inf)
    best_first = np.lexsort((worst_last, ~flags(table, "feasible")))[:MOST_ROWS]
    known = [name for name in (*_COSTS, *content.own_costs) if not np.isnan(column(table, name)).all()]
    rows = [{str(name): value for name, value in row.items()} for row in table.iloc[best_first].to_dict("records")]
    columns = ["id", content.score, *known, "feasible", "pareto", "architecture"]
    cut = f"<p>The best {MOST_ROWS:,} of {len(table):,} candidates are shown.</p>" if len(table) > MOST_ROWS else ""
    return cut + sortable_table("candidate-table", columns, rows, content.score)


def sortable_table(identity: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], metric: str) -> str:
    """HTML of a table with the named columns; cells of ``metric`` show the interval of the score."""
    cells = (f"<tr>{''.join(_cell(row, name, metric) for name in columns)}</tr>" for row in rows)
    return sortable(identity, map(label, columns), cells)


def _cell(row: Mapping[str, Any], name: str, metric: str) -> str:
    if name == "architecture":
        value = row.get(name)
        text = value if isinstance(value, str) else json.dumps(value)
        return f'<td class="architecture" tabindex="0"><code>{html.escape(text)}</code></td>'
    if name in ("id", "kind"):
        return f"<td>{html.escape(str(row.get(name)))}</td>"
    if name in ("feasible", "pareto", "chosen"):
        return "<td>yes</td>" if number(row, name) > 0 else "<td>no</td>"
    value = number(row, name)
    order = "" if math.isnan(value) else repr(value)
    text = html.escape(written(name, value)) + _around(row, name, metric)
    return f'<td class="number" data-order="{order}">{text}</td>'


def _around(row: Mapping[str, Any], name: str, metric: str) -> str:
    """The interval of a score, or the spread of a latency, in small print."""
    if name == metric:
        low, high = (number(row, f"{name}_{side}") for side in ("low", "high"))
        text = "" if math.isnan(low + high) else f"{written(name, low)} to {written(name, high)}"
    else:
        text = relative_spread(row) if name == "latency_ms" else ""
    return f" <small>{html.escape(text)}</small>" if text else ""
