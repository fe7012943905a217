"""The pieces that pages are made of: sections, tables, and figures with their captions."""

import html
import json
from collections.abc import Iterable

from nas.report.plotting import Figure

__all__ = ["chip", "figure_with_caption", "plot", "section", "sortable"]


def section(title: str, body: str) -> str:
    """A titled part of the page around HTML."""
    return f"<section><h2>{html.escape(title)}</h2>{body}</section>\n"


def sortable(identity: str, headings: Iterable[str], rows: Iterable[str]) -> str:
    """A table, of rows of HTML, whose columns the page's script can sort."""
    head = "".join(f'<th scope="col"><button>{html.escape(heading)}</button></th>' for heading in headings)
    body = "\n".join(rows)
    table = f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"
    return f'<div class="scroll"><table id="{identity}">{table}</table></div>'


def chip(name: str, value: str) -> str:
    """A value with its name before it."""
    return f'<span class="chip"><b>{html.escape(name)}</b> {html.escape(value)}</span>'


def figure_with_caption(name: str, figure: Figure | None, caption: str, empty: str) -> str:
    """The figure over its caption; the sentence ``empty`` if there is no figure."""
    if figure is None:
        return f'<p class="empty">{html.escape(empty)}</p>'
    return f"<figure>{plot(name, figure, caption)}<figcaption>{html.escape(caption)}</figcaption></figure>"


def plot(name: str, figure: Figure, label: str) -> str:
    """A place for the figure and its JSON for the page's script; ``label`` says what it shows to who cannot see it.

    The place is as high as the figure's layout says, if it does.
    """
    height = figure["layout"].get("height")
    style = "" if height is None else f' style="height:{height}px"'
    return (
        f'<div class="plot" id="{name}-plot" role="img" aria-label="{html.escape(label)}"{style}></div>'
        f'<script type="application/json" data-plot="{name}-plot">{_inline_json(figure)}</script>'
    )


def _inline_json(figure: Figure) -> str:
    """JSON that cannot end the script element it stands in, whatever texts it holds."""
    text = json.dumps(figure, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
