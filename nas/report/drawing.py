"""The chosen architecture drawn block by block, and where the time went: HTML and CSS, no script."""

import html
import math
from collections.abc import Mapping
from typing import Any

from nas.report.content import ReportContent, number
from nas.report.quantities import duration, label, share, written
from nas.report.sections import chip

__all__ = ["architecture_drawing", "time_bar"]

_TIMES = " \N{MULTIPLICATION SIGN} "


def architecture_drawing(content: ReportContent) -> str:
    """A row for each block: its name and kind, what was chosen, its share of parameters and FLOPs, its output shape."""
    if not content.blocks:
        return '<p class="empty">The network has no list of blocks to draw.</p>'
    known = {name: [number(block, name) for block in content.blocks] for name in ("params", "flops")}
    most = {name: max((value for value in values if value > 0), default=math.nan) for name, values in known.items()}
    total = {name: sum(value for value in values if not math.isnan(value)) for name, values in known.items()}
    rows = "".join(_block(block, most, total) for block in content.blocks)
    return (
        '<p class="key"><span class="params"><i></i> parameters</span> <span class="flops"><i></i> FLOPs</span> '
        f'of each block, drawn against the block that has most.</p><ol class="blocks">{rows}</ol>'
    )


def time_bar(seconds: Mapping[str, Any]) -> str:
    """One bar cut into the stages of the run, with a legend in words."""
    known = {stage: number(seconds, stage) for stage in seconds if number(seconds, stage) > 0}
    if not known:
        return ""
    total = sum(known.values())
    pieces = "".join(f'<i style="flex-grow:{value / total:.4f}"></i>' for value in known.values())
    legend = "".join(
        f"<li><i></i>{html.escape(label(stage))} <b>{duration(value)}</b></li>" for stage, value in known.items()
    )
    return f'<div class="time"><p>{duration(total)} in all</p><div class="pieces">{pieces}</div><ul>{legend}</ul></div>'


def _block(block: Mapping[str, Any], most: Mapping[str, float], total: Mapping[str, float]) -> str:
    name = f"<code>{html.escape(str(block.get('path', '')))}</code> {html.escape(str(block.get('kind', '')))}"
    if block.get("skipped"):
        return f'<li class="skipped"><div class="name">{name}</div><div class="choices">skipped</div></li>'
    chosen = "".join(chip(str(choice), str(value)) for choice, value in (block.get("choices") or {}).items())
    shape = _TIMES.join(str(size) for size in block.get("output_shape") or ())
    bars = "".join(_bar(block, cost, most[cost], total[cost]) for cost in ("params", "flops"))
    return (
        f'<li><div class="name">{name}</div><div class="choices">{chosen}</div>'
        f'<div class="bars">{bars}</div><div class="shape">{html.escape(shape)}</div></li>'
    )


def _bar(block: Mapping[str, Any], cost: str, most: float, total: float) -> str:
    value = number(block, cost)
    if math.isnan(value) or math.isnan(most):
        return ""
    text = html.escape(f"{written(cost, value)} ({share(value, total)})")
    return f'<div class="bar {cost}"><i style="width:{70 * value / most:.2f}%"></i><span>{text}</span></div>'
