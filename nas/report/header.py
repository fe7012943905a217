"""The chosen network in big numbers, each beside the largest network's."""

import html
import math
from collections.abc import Mapping
from typing import Any

from nas.report.content import ReportContent, number
from nas.report.quantities import duration, label, points, relative_spread, share, written
from nas.report.sections import chip

__all__ = ["card", "cards", "lead"]


def lead(summary: Mapping[str, Any]) -> str:
    """One line of HTML: what was searched and how, when, for how long and by which version, as far as that is known."""
    parts = [(name, summary.get(name)) for name in ("method", "evaluator", "space", "strategy", "task", "target")]
    parts += [("constraint", text) for text in summary.get("constraints") or ()]
    seconds = summary.get("seconds") or {}
    took = sum(value for name in seconds if (value := number(seconds, name)) > 0)
    parts += [("begun", summary.get("begun")), ("took", duration(took) if took else None)]
    parts += [("nas", (summary.get("versions") or {}).get("nas"))]
    return "".join(chip(name, str(value)) for name, value in parts if value)


def cards(content: ReportContent) -> str:
    """HTML of a card for each headline number."""
    scores = (content.metric, f"test_{content.metric}")
    costs = ("latency_ms", "params", "flops", "peak_memory_bytes", *content.own_costs)
    return "".join([*(_score_card(content, name) for name in scores), *(_cost_card(content, name) for name in costs)])


def _score_card(content: ReportContent, name: str) -> str:
    value, largest = number(content.best, name), number(content.largest, name)
    low, high = (number(content.best, f"{name}_{side}") for side in ("low", "high"))
    lines = [] if math.isnan(low + high) else [f"95% interval {written(name, low)} to {written(name, high)}"]
    if not math.isnan(value + largest):
        lines.append(f"{points(name, value - largest)} to the largest ({written(name, largest)})")
    return card(label(name), written(name, value), "", "<br>".join(map(html.escape, lines)))


def _cost_card(content: ReportContent, name: str) -> str:
    value, largest = number(content.best, name), number(content.largest, name)
    about = _about_latency(content.best) if name == "latency_ms" else ""
    if math.isnan(value + largest) or largest <= 0:
        return card(label(name), written(name, value), about, "")
    width = min(100.0, 100 * value / largest)
    bar = f'<span class="meter"><i style="width:{width:.2f}%"></i></span>'
    text = f"{share(value, largest)} of the largest ({written(name, largest)})"
    return card(label(name), written(name, value), about, f"{bar}{html.escape(text)}")


def _about_latency(network: Mapping[str, Any]) -> str:
    """Its spread and where it comes from, as far as they are known."""
    return ", ".join(filter(None, [relative_spread(network), network.get("latency_source")]))


def card(title: str, value: str, about: str, comparison: str) -> str:
    """HTML of one headline number: its title, its value, small print beside it, and ``comparison`` (HTML) below."""
    return (
        f'<div class="card"><h3>{html.escape(title)}</h3>'
        f'<p class="big">{html.escape(value)} <small>{html.escape(about)}</small></p>'
        f'<p class="versus">{comparison}</p></div>'
    )
