"""The pages: sections put into the template, written as one file that needs no network."""

import base64
import html
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from nas.errors import UsageError
from nas.files import write_file
from nas.report.architecture_html import architecture_section, cells_of
from nas.report.calibration import calibration_section
from nas.report.captions import front_caption, history_caption, training_caption
from nas.report.confusion import confusion_section
from nas.report.content import Confusion, ReportContent
from nas.report.controls import controls_section
from nas.report.drawing import architecture_drawing, time_bar
from nas.report.feasibility import feasibility_section
from nas.report.figures import front_figure, history_figure, training_figure
from nas.report.header import cards, lead
from nas.report.how_to_run import usage
from nas.report.importance import TOO_FEW_FOR_IMPORTANCE, importance_caption, importance_figure, importances
from nas.report.last_round import last_round_caption, last_round_figure
from nas.report.latency import LatencyContent
from nas.report.latency_html import latency_cards, latency_section
from nas.report.parallel import parallel_caption, parallel_figure
from nas.report.reproduce import reproduction
from nas.report.sections import figure_with_caption, section
from nas.report.tables import candidate_table, front_table
from nas.report.validation import validation_part

__all__ = ["checked_path", "page", "render_latency_report", "render_report", "write_latency_report", "write_report"]


_PLOTLY = "plotly-cartesian.min.js.gz"
"""From the npm package plotly.js-cartesian-dist-min: scatter, bar, heatmap and their like."""


def write_report(path: str | Path, content: ReportContent) -> Path:
    """Write the report as one HTML file (about 0.8 MB, most of it Plotly's script) and return its path.

    Equal content gives equal bytes. The file appears whole or not at all.

    Raises:
        UsageError: the path is a folder.
    """
    return write_file(checked_path(path), render_report(content))


def write_latency_report(
    path: str | Path, title: str, content: LatencyContent, summary: Mapping[str, Any] | None = None
) -> Path:
    """Write what is known before training, latency and costs, as one HTML file like :func:`write_report`.

    Args:
        summary: as of :class:`ReportContent`.

    Raises:
        UsageError: the path is a folder.
    """
    return write_file(checked_path(path), render_latency_report(title, content, summary or {}))


def render_report(content: ReportContent) -> str:
    """The whole page of a search as text."""
    front = figure_with_caption(
        "front", front_figure(content), front_caption(content), "No network has both a score and a cost."
    )
    history = figure_with_caption(
        "history", history_figure(content), history_caption(content), "No feasible candidate was evaluated."
    )
    training = figure_with_caption(
        "training", training_figure(content), training_caption(content), "No training epochs were recorded."
    )
    time = time_bar(content.summary.get("seconds") or {})
    sections = [
        section("Pareto front", front),
        *([section("Search", history)] if len(content.candidates) > 1 else []),
        section("Training", training + validation_part(content.epochs)),
        *_last_round(content),
        *([section("Architecture parameters", architecture_section(content))] if content.relaxation else ()),
        *([section("Did the search pay?", controls_section(content.controls))] if content.controls else ()),
        *_class_sections(content.confusion),
        section("What decides", _deciding(content)),
        *([section("Use it", usage(content.best["file"]))] if "file" in content.best else ()),
        section(
            "The chosen architecture", cells_of(content.best.get("architecture") or {}) + architecture_drawing(content)
        ),
        *(_latency_sections(content.latency) if content.latency else ()),
        section("Networks on the front", front_table(content)),
        section("Candidates", candidate_table(content)),
        section("How to reproduce", time + reproduction(content.summary, content.best.get("architecture"))),
    ]
    choice = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in content.choice)
    sections = [*([section("Why this network", choice)] if choice else ()), *sections]
    return page(content.title, content.summary, content.notes, cards(content), sections)


def _class_sections(confusion: Confusion | None) -> list[str]:
    """What a classifier takes for what, and how far its confidence may be believed."""
    if confusion is None:
        return []
    told = [section("Class by class", confusion_section(confusion))]
    calibration = confusion.calibration
    return told if calibration is None else [*told, section("How sure it is", calibration_section(calibration))]


def _last_round(content: ReportContent) -> list[str]:
    """The section about it, if there was one and anything trained in it."""
    figure = last_round_figure(content.entrants, content.metric, str(content.best.get("id")))
    if figure is None:
        return []
    caption = last_round_caption(content.entrants, content.metric)
    return [section("Last round", figure_with_caption("last-round", figure, caption, ""))]


def _deciding(content: ReportContent) -> str:
    """Which choices decide, and what candidates take for these."""
    found = importances(content)
    bars = importance_figure(content, found)
    lines = parallel_figure(content, list(found))
    told = figure_with_caption("importance", bars, importance_caption(content), TOO_FEW_FOR_IMPORTANCE)
    return told if lines is None else told + figure_with_caption("parallel", lines, parallel_caption(content), "")


def render_latency_report(title: str, content: LatencyContent, summary: Mapping[str, Any]) -> str:
    """The whole page of a profile as text."""
    time = time_bar(summary.get("seconds") or {})
    sections = [*_latency_sections(content), section("How to reproduce", time + reproduction(summary))]
    return page(title, {"target": content.target, **summary}, (), latency_cards(content), sections)


def _latency_sections(content: LatencyContent) -> list[str]:
    sections = [section("Latency: predicted against measured", latency_section(content))]
    if content.feasibility:
        sections.append(section("What the space costs", feasibility_section(content.feasibility)))
    return sections


def page(title: str, summary: Mapping[str, Any], notes: Sequence[str], headline: str, sections: Sequence[str]) -> str:
    """The template filled in.

    Args:
        summary: of the run, for the head.
        notes: sentences before anything else, as plain text.
        headline: cards, as HTML.
        sections: as HTML.
    """
    template = resources.files("nas.report").joinpath("template.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=html.escape(title),
        lead=lead(summary),
        notes="".join(f'<li class="note">{html.escape(note)}</li>' for note in notes),
        main=f'<div class="cards">{headline}</div>\n{"".join(sections)}',
        plotly=_plotly(),
    )


def _plotly() -> str:
    """The script of Plotly (MIT licence) without what these pages never draw, compressed, as base64."""
    return base64.b64encode(resources.files("nas.report").joinpath(_PLOTLY).read_bytes()).decode()


def checked_path(path: str | Path) -> Path:
    """Where a page may be written; UsageError if that is a folder."""
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"report path '{path}' is a folder; name a file in it, such as '{path / 'report.html'}'.")
    return path
