"""The page: sections put into the template, written as one file that needs no network."""

import html
import json
from importlib import resources
from pathlib import Path
from string import Template

from nas.errors import UsageError
from nas.files import write_file
from nas.report.captions import front_caption, history_caption, training_caption
from nas.report.content import ReportContent
from nas.report.drawing import architecture_drawing, time_bar
from nas.report.figures import Figure, front_figure, history_figure, training_figure
from nas.report.header import cards, lead
from nas.report.reproduce import reproduction
from nas.report.tables import candidate_table, front_table

__all__ = ["render_report", "write_report"]


def write_report(path: str | Path, content: ReportContent) -> Path:
    """Write the report as one HTML file (about 5 MB, most of it Plotly's script) and return its path.

    Equal content gives equal bytes. The file appears whole or not at all.

    Raises:
        UsageError: the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"report path '{path}' is a folder; name a file in it, such as '{path / 'report.html'}'.")
    return write_file(path, render_report(content))


def render_report(content: ReportContent) -> str:
    """The whole page as text."""
    from plotly.offline import get_plotlyjs

    template = resources.files("nas.report").joinpath("template.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=html.escape(content.title),
        lead=lead(content),
        notes="".join(f'<li class="note">{html.escape(note)}</li>' for note in content.notes),
        cards=cards(content),
        front=_figure(
            "front", front_figure(content), front_caption(content), "No network has both a score and a cost."
        ),
        history=_figure(
            "history", history_figure(content), history_caption(content), "No feasible candidate was evaluated."
        ),
        training=_figure(
            "training", training_figure(content), training_caption(content), "No training epochs were recorded."
        ),
        architecture=architecture_drawing(content),
        front_table=front_table(content),
        candidate_table=candidate_table(content),
        time=time_bar(content.summary.get("seconds") or {}),
        reproduce=reproduction(content),
        plotly=get_plotlyjs(),
    )


def _figure(name: str, figure: Figure | None, caption: str, empty: str) -> str:
    """A place for the figure, its JSON for the page's script, and its caption; a sentence if there is no figure."""
    if figure is None:
        return f'<p class="empty">{html.escape(empty)}</p>'
    return (
        f'<figure><div class="plot" id="{name}-plot" role="img" aria-label="{html.escape(caption)}"></div>'
        f'<script type="application/json" data-plot="{name}-plot">{_inline_json(figure)}</script>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _inline_json(figure: Figure) -> str:
    """JSON that cannot end the script element it stands in, whatever texts it holds."""
    text = json.dumps(figure, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
