"""What shows itself in a notebook: a result as a small table."""

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.report.quantities import label, written

__all__ = ["plain_table", "result_table"]

_IDENTITY = ("id", "architecture")
_COSTS = ("latency_ms", "params", "flops", "peak_memory_bytes")


def result_table(result: Mapping[str, Any], report: Path) -> str:
    """HTML: what was found, the front and the largest network, a row each.

    Args:
        result: as in ``best.json``.
        report: the page of the run.
    """
    metric, best = result["metric"], result["best"]
    others = [("front", row) for row in result["front"]]
    others += [("largest", result["largest"])] if result["largest"] else []
    named = [("best", best), *((role, row) for role, row in others if row["id"] != best["id"])]
    asked = (metric, f"test_{metric}", *_COSTS, *result.get("own_costs", ())) if result["largest"] else best
    names = [name for name in asked if name not in _IDENTITY and any(row.get(name) is not None for _, row in named)]
    rows = [[role, str(row["id"]), *(_figure(row, name) for name in names)] for role, row in named]
    title = f"{result['run']}: {result['space']}, {result['objective']}"
    about = f"<p><b>{html.escape(title)}</b><br>{html.escape(str(report))}</p>"
    return about + plain_table(["", "architecture", *map(label, names)], rows)


def plain_table(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """HTML of a table of texts, which are escaped."""
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else written(name, value)
