"""A ranking as Plotly figures, or None when there is nothing to draw."""

import math
from typing import TYPE_CHECKING, Any

from nas.report.figures import MOST_POINTS
from nas.report.plotting import AMBER, BLUE, GREEN, SLATE, VIOLET, Figure, escaped, hover, layout, scatter
from nas.report.ranking_content import RankingContent, measures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TOP", "epoch_figure", "measure_figure", "truth_figure"]

TOP = 10
"""Architectures that are marked as the best by score."""


def truth_figure(content: RankingContent) -> Figure:
    """What each architecture reached by itself against its score; the best by score and the best of all marked."""
    table, metric = content.table, content.record["metric"]
    top, rest = table.head(TOP), table.iloc[TOP:]
    thinned = rest.iloc[:: max(1, math.ceil(len(rest) / MOST_POINTS))]
    best = table[table["truth_rank"] == 1]
    frame = layout(metric, content.truth)
    frame["xaxis"]["title"]["text"] += " with shared weights"
    frame["yaxis"]["title"]["text"] = "Trained alone (%)" if content.record["percent"] else "Trained alone"
    clouds = [
        _cloud(thinned, "architectures", metric, content.truth)
        | {"marker": {"color": SLATE, "opacity": 0.6, "size": 6}},
        _cloud(top, f"the {len(top)} best by score", metric, content.truth)
        | {"marker": {"color": BLUE, "size": 9, "line": {"color": "white", "width": 1}}},
        _cloud(best, "best when trained alone", metric, content.truth)
        | {"marker": {"color": AMBER, "size": 14, "symbol": "star-open", "line": {"width": 2}}},
    ]
    return {"data": [cloud for cloud in clouds if cloud["x"]], "layout": frame}


def measure_figure(content: RankingContent) -> Figure:
    """Every tau as a bar with its interval: the supernet's, those of costs alone and the ceiling."""
    found = measures(content.record)
    known = {name: each for name, each in found.items() if each is not None and each["value"] is not None}
    names = list(known)[::-1]
    frame = layout("tau", "") | {"showlegend": False, "height": 90 + 38 * len(names)}
    frame["xaxis"]["title"]["text"] = "Kendall's tau"
    frame["yaxis"] |= {"type": "category"}
    values, lows, highs = ([float(known[name][side]) for name in names] for side in ("value", "low", "high"))  # type: ignore[arg-type]
    trace = {
        "type": "bar",
        "orientation": "h",
        "name": "tau",
        "x": values,
        "y": list(map(escaped, names)),
        "marker": {"color": [_color(name) for name in names]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, high - value) for value, high in zip(values, highs, strict=True)],
            "arrayminus": [max(0.0, value - low) for value, low in zip(values, lows, strict=True)],
            "color": SLATE,
            "thickness": 1.5,
            "width": 4,
        },
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }
    return {"data": [trace], "layout": frame}


def epoch_figure(content: RankingContent) -> Figure | None:
    """Tau with the truth after each of the last epochs, and tau with the epoch before; None without such epochs."""
    epochs = content.record["epochs"]
    if not epochs:
        return None
    frame = layout("epoch", "tau")
    frame["xaxis"] |= {"tickvals": epochs["epoch"]}
    frame["yaxis"]["title"]["text"] = "Kendall's tau"
    lines = [
        _line("with the truth", epochs["epoch"], epochs["tau"], BLUE),
        _line("with the epoch before", epochs["epoch"][1:], epochs["consecutive"], VIOLET),
    ]
    return {"data": [line for line in lines if line["x"]], "layout": frame}


def _cloud(table: "pd.DataFrame", name: str, metric: str, truth: str) -> dict[str, Any]:
    texts = (
        f"#{row.id}: {row.score_rank:,} by score, {row.truth_rank:,} in truth" for row in table.itertuples(index=False)
    )
    points = scatter(name, table["score"].tolist(), table["truth"].tolist())
    return points | {"text": list(map(escaped, texts)), "hovertemplate": hover(metric, truth)}


def _line(name: str, x: list[int], y: list[float], color: str) -> dict[str, Any]:
    return scatter(name, x, y, "lines+markers") | {"line": {"color": color, "width": 2}}


def _color(name: str) -> str:
    """Blue for the supernet, green for the ceiling, amber for what counting alone reaches."""
    return GREEN if name.startswith("ceiling") else AMBER if name.endswith("alone") else BLUE
