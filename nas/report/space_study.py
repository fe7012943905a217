"""The page about a study of spaces: distributions, quantiles, distances, and what each candidate does to them."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.files import write_file
from nas.report.header import card
from nas.report.plotting import COLORS, Figure, layout, scatter
from nas.report.quantities import label, written
from nas.report.reproduce import reproduction
from nas.report.search_page import checked_path, page
from nas.report.sections import figure_with_caption, section, sortable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StudyContent", "distribution_figure", "render_study_report", "write_study_report"]

_MOST_POINTS = 400
_MOST_ROWS = 40
_UNKNOWN = "\N{EN DASH}"


@dataclass(frozen=True, eq=False)
class StudyContent:
    """What the page shows, as plain values.

    Attributes:
        title: name of the study.
        asked: what it was asked.
        found: what ``space-study.json`` holds.
        table: a row for each architecture: population, architecture (JSON), value.
    """

    title: str
    asked: Mapping[str, Any]
    found: Mapping[str, Any]
    table: "pd.DataFrame"


def write_study_report(path: str | Path, content: StudyContent) -> Path:
    """Write the page as one HTML file like :func:`nas.report.write_report`."""
    return write_file(checked_path(path), render_study_report(content))


def render_study_report(content: StudyContent) -> str:
    """The whole page as text."""
    found = content.found
    values = {str(name): group["value"] for name, group in content.table.groupby("population", sort=False)}
    better = "more" if found["maximise"] else "less"
    name = label(found["metric"]).lower()
    caption = f"Share of the architectures whose {name} is this good or better ({better} is better)."
    sections = [
        section("Distributions", figure_with_caption("edf", distribution_figure(values, found), caption, "")),
        section("Quantiles", _quantiles(found)),
    ]
    if found["differences"]:
        sections.append(section("Do they differ?", _differences(found)))
    sections += [
        section(f"Choices of {name}", _choices(content, name, str(number)))
        for number, (name, rows) in enumerate(found["choices"].items())
        if rows
    ]
    sections.append(section("What was asked", reproduction(content.asked)))
    return page(content.title, {"populations": content.asked["populations"]}, (), _cards(found), sections)


def distribution_figure(values: "Mapping[str, pd.Series[float]]", found: Mapping[str, Any]) -> Figure:
    """A line for each of some samples: the share that is at least as good as each value."""
    traces = []
    for number, (name, sample) in enumerate(values.items()):
        ordered = sample.dropna().sort_values(ascending=not found["maximise"]).reset_index(drop=True)
        shares = (ordered.index + 1) / len(sample)
        kept = slice(None, None, max(1, len(ordered) // _MOST_POINTS))
        line = scatter(name, ordered[kept].tolist(), shares[kept].tolist(), "lines")
        traces.append(line | {"line": {"color": COLORS[number % len(COLORS)], "width": 2, "shape": "hv"}})
    frame = layout(found["metric"], "share")
    frame["yaxis"] |= {"title": {"text": "share of architectures"}, "tickformat": ".0%", "range": [0, 1.02]}
    return {"data": traces, "layout": frame | {"height": 440}}


def _cards(found: Mapping[str, Any]) -> str:
    """HTML: the population with the best median, and how many were drawn."""
    metric, rows = found["metric"], found["populations"]
    known = {name: row["quantiles"]["0.5"]["value"] for name, row in rows.items()}
    known = {name: value for name, value in known.items() if value is not None}
    cards = []
    if known:
        best = (max if found["maximise"] else min)(known, key=known.__getitem__)
        cards.append(card("Best median", written(metric, known[best]), "", html.escape(best)))
    drawn = sum(found["samples"].values())
    return "".join([*cards, card("Architectures", f"{drawn:,}", "random", f"{len(rows)} populations")])


def _quantiles(found: Mapping[str, Any]) -> str:
    """HTML: a row for each population."""
    first = next(iter(found["populations"].values()))
    heads = ["Population", "Drawn", "Best", *(f"best {float(each):.0%}" for each in first["quantiles"])]
    heads += [f"reach {written(found['metric'], float(each))}" for each in first["shares"]]
    rows = []
    for name, row in found["populations"].items():
        cells = [f"<td>{html.escape(name)}</td>", _cell(found["samples"][name], str(found["samples"][name]))]
        cells.append(_cell(row["best"], _text(found["metric"], row["best"])))
        cells += [
            _cell(each["value"], _text(found["metric"], each["value"]), _between(found["metric"], each))
            for each in row["quantiles"].values()
        ]
        cells += [
            _cell(each["share"], f"{each['share']:.1%}", f"{each['low']:.1%} to {each['high']:.1%}")
            for each in row["shares"].values()
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    about = "The value that the best 5 %, 25 %, ... reach at least, with 95 % intervals of 1,000 resamples."
    return f"<p>{html.escape(about)}</p>" + sortable("quantiles-table", heads, rows)


def _differences(found: Mapping[str, Any]) -> str:
    """HTML: a row for each pair."""
    rows = (
        f"<tr><td>{html.escape(pair['better'])}</td><td>{html.escape(pair['worse'])}</td>"
        f"{_cell(pair['distance'], format(pair['distance'], '.3f'))}{_cell(pair['p'], format(pair['p'], '.2g'))}</tr>"
        for pair in found["differences"]
    )
    about = "The greatest distance between two distributions (Kolmogorov and Smirnov); p is corrected by Holm."
    return f"<p>{html.escape(about)}</p>" + sortable("differences-table", ["Better", "Worse", "Distance", "p"], rows)


def _choices(content: StudyContent, name: str, number: str) -> str:
    """HTML: the distributions by the candidates of the choice that moves them most, and a row for each candidate."""
    from nas.space import Architecture

    found, effects = content.found, content.found["choices"][name]
    rows = content.table[content.table["population"] == name]
    first = effects[0]["choice"]
    chosen = [Architecture.from_json(each).get(first) for each in rows["architecture"]]
    values = {f"{first} = {key}": group for key, group in rows["value"].groupby(list(map(str, chosen)))}
    caption = f"The same for each candidate of {first}, which moves the distribution most."
    figure = figure_with_caption(f"choice-{number}", distribution_figure(values, found), caption, "")
    heads = ["Choice", "Candidate", "Drawn", "Median", "of the others", "Distance", "p", "In the best"]
    table = (
        f"<tr><td>{html.escape(row['choice'])}</td><td>{html.escape(str(row['candidate']))}</td>"
        + _cell(row["architectures"], str(row["architectures"]))
        + _cell(row["median"], _text(found["metric"], row["median"]))
        + _cell(row["others"], _text(found["metric"], row["others"]))
        + _cell(row["distance"], f"{row['distance']:.3f}")
        + _cell(row["p"], f"{row['p']:.2g}")
        + _cell(row["best_share"], f"{row['best_share']:.1%}")
        + "</tr>"
        for row in effects[:_MOST_ROWS]
    )
    about = "In the best: how often it is in the best of a quarter of all, drawn with replacement 2,500 times."
    return figure + f"<p>{html.escape(about)}</p>" + sortable(f"choices-table-{number}", heads, table)


def _cell(order: float | None, text: str, small: str = "") -> str:
    around = f"<br><small>{html.escape(small)}</small>" if small else ""
    sorting = "" if order is None else repr(float(order))
    return f'<td class="number" data-order="{sorting}">{html.escape(text)}{around}</td>'


def _text(metric: str, value: float | None) -> str:
    return _UNKNOWN if value is None else written(metric, value)


def _between(metric: str, row: Mapping[str, float | None]) -> str:
    return f"{_text(metric, row['low'])} to {_text(metric, row['high'])}"
