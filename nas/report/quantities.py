"""How each quantity is called and written: ``latency_ms`` is a *Latency* of *1.23 ms*."""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.tasks import Metric

__all__ = [
    "axis_format",
    "axis_title",
    "duration",
    "in_sentence",
    "is_share",
    "label",
    "points",
    "relative_spread",
    "share",
    "written",
]

_LABELS = {
    "flops": "FLOPs",
    "id": "#",
    "kind": "Predictor",
    "latency_ms": "Latency",
    "mape": "Mean relative error",
    "measured_latency_ms": "Measured latency",
    "params": "Parameters",
    "pareto": "On the front",
    "peak_memory_bytes": "Peak memory",
    "predicted_latency_ms": "Predicted latency",
    "spearman": "Rank correlation",
    "weight_bytes": "Weights",
    "weight_bytes_int8": "Weights in int8",
    "within_5pct": "Within 5%",
    "within_10pct": "Within 10%",
}
_SHARES = ("calibration_error", "mape", "noise_floor", "relative_error", "share", "within_5pct", "within_10pct")
_THIN = "\N{NARROW NO-BREAK SPACE}"
_UNKNOWN = "\N{EN DASH}"
_LARGEST = 1e15
"""That is written out."""


def label(name: str) -> str:
    """What a column is called in a heading.

    >>> label("latency_ms"), label("test_accuracy"), label("test_rmse")
    ('Latency', 'Test accuracy', 'Test RMSE')
    """
    metric = _metric(name)
    if metric and metric.label:
        before, _, after = name.partition(metric.name)
        words = f"{before} {metric.label} {after}".replace("_", " ").split()
        return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def in_sentence(name: str) -> str:
    """The same within a sentence: what is no abbreviation begins small.

    >>> in_sentence("latency_ms"), in_sentence("flops"), in_sentence("test_rmse")
    ('latency', 'FLOPs', 'test RMSE')
    """
    first, *rest = label(name).split(" ")
    return " ".join([first.lower() if first[1:].islower() else first, *rest])


def axis_title(name: str) -> str:
    """The heading of a column with its unit, where it has one."""
    return label(name) + (" (ms)" if name.endswith("_ms") else " (bytes)" if _is_bytes(name) else "")


def axis_format(name: str) -> str:
    """The d3 number format of an axis that shows the column."""
    if is_share(name):
        return ".1~%"
    return "~s" if name in ("params", "flops") or _is_bytes(name) else "~g"


def written(name: str, value: float) -> str:
    """A value of the named column with its unit, to three figures.

    Shares are written to a hundredth of a per cent, metrics otherwise as their task has it.

    >>> written("accuracy", 0.91236), written("bits_per_character", 2.31), written("loss", float("nan"))
    ('91.24%', '2.310', '–')
    """
    if math.isnan(value):
        return _UNKNOWN
    if is_share(name):
        return f"{value:.2%}"
    metric = _metric(name)
    if metric and metric.decimals is not None:
        return f"{value:.{metric.decimals}f}"
    if name.endswith("_ms"):
        return f"{_three_figures(value)}{_THIN}ms"
    if _is_bytes(name):
        return _with_prefix(value, "B")
    return _with_prefix(value, "") if name in ("params", "flops") else _three_figures(value)


def points(name: str, difference: float) -> str:
    """A difference of two values of a column: in percentage points where it is a share, else in its own unit.

    >>> points("test_accuracy", -0.0125), points("bits_per_character", 0.02)
    ('−1.25 points', '+0.02')
    """
    in_points = is_share(name)
    gap = difference * (100 if in_points else 1)
    sign = "\N{MINUS SIGN}" if gap < 0 else "+"
    return f"{sign}{abs(gap):.3g}{' points' if in_points else ''}"


def relative_spread(row: Mapping[str, Any]) -> str:
    """That of repeated measurements of a network's latency, as per cent of it; empty where it is not known.

    >>> relative_spread({"latency_ms": 0.4, "latency_spread_ms": 0.002})
    '± 0.5%'
    """
    spread, latency = row.get("latency_spread_ms"), row.get("latency_ms")
    if spread is None or latency is None or math.isnan(spread):
        return ""
    return f"± {spread / latency:.1%}"


def share(part: float, whole: float) -> str:
    """The part as per cent of the whole."""
    return f"{_three_figures(100 * part / whole)}%"


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(0.4), duration(75), duration(7300)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{_three_figures(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def is_share(name: str) -> bool:
    """Whether the column is a share of 1, which is written in per cent.

    >>> is_share("test_accuracy"), is_share("bits_per_character")
    (True, False)
    """
    metric = _metric(name)
    return name in _SHARES or (metric is not None and metric.share)


def _metric(name: str) -> "Metric | None":
    """The metric of which the column is a bound, or the value on another split or with other weights."""
    from nas.tasks import METRICS

    return METRICS.get(re.sub("^(test|selection|shared)_|_(low|high)$", "", name))


def _is_bytes(name: str) -> bool:
    return "_bytes" in name


def _with_prefix(value: float, unit: str) -> str:
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * scale:
            return f"{_three_figures(value / scale)}{_THIN}{prefix}{unit}"
    return _three_figures(value) + (_THIN + unit if unit else "")


def _three_figures(value: float) -> str:
    return f"{value:,.0f}" if 99.95 <= abs(value) < _LARGEST else f"{value:.3g}"
