"""The page about a benchmark of strategies: curves with bands, means at checkpoints, tests between strategies."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.files import write_file
from nas.report.header import card
from nas.report.plotting import COLORS, Figure, layout, scatter
from nas.report.reproduce import reproduction
from nas.report.search_page import checked_path, page
from nas.report.sections import figure_with_caption, section, sortable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BenchmarkContent", "figure_of", "figure_words", "render_benchmark_report", "write_benchmark_report"]

_MOST_POINTS = 400
_UNKNOWN = "\N{EN DASH}"
_DASHES = ("solid", "dash", "dot")


@dataclass(frozen=True, eq=False)
class BenchmarkContent:
    """What the page shows, as plain values.

    Attributes:
        title: name of the benchmark.
        question: what every strategy was asked alike.
        found: what ``benchmark.json`` holds.
        table: a row for each evaluation of each trial: strategy, seed, evaluation, best, and perhaps test and
            hypervolume.
    """

    title: str
    question: Mapping[str, Any]
    found: Mapping[str, Any]
    table: "pd.DataFrame"


def figure_words(found: Mapping[str, Any]) -> dict[str, str]:
    """What each column of a benchmark is called → in words."""
    words = {"best": f"best {found['metric']} so far", "test": "its test figure", "hypervolume": "hypervolume, share"}
    return {name: words[name] for name in found["optimum"]}


def write_benchmark_report(path: str | Path, content: BenchmarkContent) -> Path:
    """Write the page as one HTML file like :func:`nas.report.write_report`."""
    return write_file(checked_path(path), render_benchmark_report(content))


def render_benchmark_report(content: BenchmarkContent) -> str:
    """The whole page as text."""
    caption = (
        "Lines: mean over seeds; bands: one standard deviation on both sides. What is far from the others may lie "
        "outside; a double click shows it."
    )
    sections = [
        section(words[0].upper() + words[1:], figure_with_caption(name, figure_of(content, name, words), caption, ""))
        for name, words in figure_words(content.found).items()
    ]
    sections += [section("After so many evaluations", _means(content)), section("Is it luck?", _tests(content.found))]
    sections.append(section("What was asked", reproduction(content.question)))
    summary = {"space": content.question["space"], "constraints": content.question["constraints"]}
    return page(content.title, summary, content.found["notes"], _cards(content.found), sections)


def _cards(found: Mapping[str, Any]) -> str:
    """HTML: the strategy with the best mean rank, its mean, and the optimum where it is known."""
    judged, last = found["judged_by"], str(found["candidates"])
    ranks = found["significance"]["ranks"]
    cards = []
    if ranks:
        first = min(ranks, key=ranks.__getitem__)
        mean = next(row for row in found["strategies"] if row["strategy"] == first)[judged][last]["mean"]
        about = f"mean rank {ranks[first]:.2f} of {len(ranks)}; {figure_words(found)[judged]}: {_text(mean)}"
        cards.append(card("First", first, "", html.escape(about)))
    best = found["optimum"][judged]
    cards += [] if best is None else [card("Best there is", _text(best), "", html.escape(figure_words(found)[judged]))]
    return "".join([*cards, card("Evaluations", last, f"{found['significance']['seeds']} seeds", "")])


def figure_of(content: BenchmarkContent, name: str, words: str) -> Figure:
    """A line with its band for each strategy, and the optimum where it is known."""
    traces: list[dict[str, Any]] = []
    for number, (strategy, group) in enumerate(content.table.groupby("strategy", sort=False)):
        by_count = group.groupby("evaluation")[name]
        mean, spread = by_count.mean(), by_count.std().fillna(0)
        places = mean.index[mean.notna()]
        places = places[:: max(1, len(places) // _MOST_POINTS)]
        x, middle, around = places.tolist(), mean[places], spread[places]
        color, dash = COLORS[number % len(COLORS)], _DASHES[number // len(COLORS) % len(_DASHES)]
        low, high = (middle - around).tolist(), (middle + around).tolist()
        band = scatter(str(strategy), [*x, *x[::-1]], [*high, *low[::-1]], "lines")
        hidden = {"hoverinfo": "skip", "showlegend": False, "legendgroup": str(number)}
        traces.append(band | hidden | {"fill": "toself", "fillcolor": color, "opacity": 0.15, "line": {"width": 0}})
        line = scatter(str(strategy), x, middle.tolist(), "lines")
        traces.append(line | {"line": {"color": color, "width": 2, "dash": dash}, "legendgroup": str(number)})
    frame = layout("evaluations", name)
    if content.found.get("epochs") is not None:
        frame["xaxis"]["title"] = {"text": f"epochs, in whole trainings of {content.found['epochs']}"}
    frame["yaxis"] |= {"title": {"text": html.escape(words, quote=False)}, "tickformat": "~g"}
    frame["xaxis"]["rangemode"] = "tozero"
    optimum = content.found["optimum"][name]
    frame["yaxis"] |= _range(content, name)
    if optimum is not None:
        dashed = {"color": "#8191a8", "dash": "dash", "width": 1}
        frame["shapes"] = [
            {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "y0": optimum, "y1": optimum, "line": dashed}
        ]
    return {"data": traces, "layout": frame | {"height": 440}}


def _range(content: BenchmarkContent, name: str) -> dict[str, list[float]]:
    """From the worst to the best mean, without a tenth of the points that is worse than all others; none of nothing."""
    means = content.table.groupby(["strategy", "evaluation"])[name].mean().dropna()
    if means.empty:
        return {}
    more_is_better = name == "hypervolume" or content.found["maximise"]
    low, high = means.quantile([0.1, 1.0] if more_is_better else [0.0, 0.9]).tolist()
    room = 0.05 * (high - low) or 1.0
    return {"range": [low - room, high + room]}


def _means(content: BenchmarkContent) -> str:
    """HTML: mean ± standard deviation, and regret where the optimum is known, of each strategy at each checkpoint."""
    found, words = content.found, figure_words(content.found)
    columns = [(name, str(count)) for name in words for count in found["checkpoints"]]
    heads = ["Strategy", *(f"{words[name]} @ {count}" for name, count in columns), "Processor seconds"]
    rows = (
        f"<tr><td>{html.escape(row['strategy'])}</td>"
        + "".join(_cell(*map(row[name][count].get, ("mean", "sd", "regret"))) for name, count in columns)
        + _cell(row["seconds"])
        + "</tr>"
        for row in found["strategies"]
    )
    return sortable("means-table", heads, rows)


def _tests(found: Mapping[str, Any]) -> str:
    """HTML: Friedman's test in a sentence, and a table of pairs."""
    tested, words = found["significance"], figure_words(found)[found["judged_by"]]
    sentence = f"By {words} after {found['candidates']:,} evaluations, over {tested['seeds']} seeds."
    if tested["friedman"] is not None:
        sentence += f" That all strategies are alike has p = {tested['friedman']:.2g} (Friedman)."
    if not tested["pairs"]:
        return f"<p>{html.escape(sentence)} Two strategies and two seeds are needed to compare.</p>"
    sentence += " Pairs: Wilcoxon's signed ranks, corrected by Holm."
    rows = (
        f"<tr><td>{html.escape(pair['better'])}</td><td>{html.escape(pair['worse'])}</td>{_cell(pair['p'])}</tr>"
        for pair in sorted(tested["pairs"], key=lambda pair: pair["p"])
    )
    return f"<p>{html.escape(sentence)}</p>" + sortable("pairs-table", ["Better", "Worse", "p"], rows)


def _cell(value: float | None, sd: float | None = None, regret: float | None = None) -> str:
    around = "" if sd is None else f" <small>± {sd:.3g}</small>"
    around += "" if regret is None else f"<br><small>regret {regret:.3g}</small>"
    order = "" if value is None else repr(float(value))
    return f'<td class="number" data-order="{order}">{_text(value)}{around}</td>'


def _text(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.5g}"
