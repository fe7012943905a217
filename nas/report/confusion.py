"""Which classes the delivered network takes for which: accuracy of each class, and the confusion matrix."""

import html

import numpy as np

from nas.report.content import Confusion
from nas.report.plotting import BLUE, Figure, category_axis, escaped, heat_map, layout
from nas.report.sections import figure_with_caption

__all__ = ["confusion_section"]

_MOST = 30
"""Classes that a figure has at most."""
_PAIRS = 5
_HEAD, _ROW = 70, 24


def confusion_section(confusion: Confusion) -> str:
    """HTML: bars of the classes, the worst first, and the matrix where it is small enough to be read."""
    few = len(confusion.classes) <= _MOST
    bars = figure_with_caption("class-accuracy", _bars(confusion), _bar_caption(confusion), "")
    pairs = _confused(confusion)
    if not few:
        return f"{bars}<p>{html.escape(pairs)}</p>"
    caption = f"Share of each class (row) that is taken for another (column). {pairs}"
    matrix = figure_with_caption("confusion", _matrix(confusion), caption, "")
    return f'{bars}<div class="heat"><h3>Confusion matrix</h3>{matrix}</div>'


def _seen(confusion: Confusion) -> str:
    return f"{int(confusion.counts.sum()):,} {confusion.examples}"


def _bar_caption(confusion: Confusion) -> str:
    count = len(confusion.classes)
    about = f"All {count} classes" if count <= _MOST else f"The {_MOST} worst of {count:,} classes"
    guess = f"the most frequent class alone would give {confusion.guessing:.1%}"
    return f"{about}, the worst first, of {_seen(confusion)}; {guess}."


def _bars(confusion: Confusion) -> Figure:
    accuracies = np.nan_to_num(confusion.accuracies, nan=2.0)
    worst = [index for index in np.argsort(accuracies, kind="stable")[:_MOST] if accuracies[index] <= 1]
    trace = {
        "type": "bar",
        "orientation": "h",
        "name": "accuracy",
        "x": [round(float(accuracies[index]), 4) for index in worst],
        "y": [escaped(confusion.classes[index]) for index in worst],
        "marker": {"color": BLUE},
        "text": [f"{accuracies[index]:.0%}" for index in worst],
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    frame = layout("accuracy", "class") | {"showlegend": False, "height": _HEAD + _ROW * len(worst)}
    frame["xaxis"] |= {"range": [0, 1.02]}
    frame["yaxis"] = {"type": "category", "autorange": "reversed", "automargin": True, "fixedrange": True}
    return {"data": [trace], "layout": frame}


def _confused(confusion: Confusion) -> str:
    """The pairs that are mistaken most often, in words."""
    wrong = confusion.counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None, kind="stable")[::-1][:_PAIRS]
    pairs = [divmod(int(each), len(confusion.classes)) for each in order]
    told = [
        f"{confusion.classes[row]} for {confusion.classes[column]} ({wrong[row, column]:,})"
        for row, column in pairs
        if wrong[row, column]
    ]
    return f"Most often mistaken: {', '.join(told)}." if told else "Nothing was mistaken."


def _matrix(confusion: Confusion) -> Figure:
    shares = confusion.counts / np.maximum(confusion.counts.sum(axis=1, keepdims=True), 1)
    trace = heat_map(confusion.classes, confusion.classes, shares.round(4).tolist()) | {
        "text": [[f"{share:.0%}" if share else "" for share in row] for row in shares.tolist()],
        "texttemplate": "%{text}",
        "hovertemplate": "%{y} taken for %{x}: %{z:.1%}<extra></extra>",
    }
    frame = layout("predicted", "class") | {"showlegend": False, "height": _HEAD + _ROW * (1 + len(shares))}
    frame |= {"xaxis": category_axis() | {"side": "top"}, "yaxis": category_axis() | {"autorange": "reversed"}}
    return {"data": [trace], "layout": frame}
