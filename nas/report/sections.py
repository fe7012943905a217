"""The pieces that pages are made of: sections, and figures with their captions."""

import html
import json

from nas.report.plotting import Figure

__all__ = ["figure_with_caption", "plot", "section"]


def section(title: str, body: str) -> str:
    """A titled part of the page around HTML."""
    return f"<section><h2>{html.escape(title)}</h2>{body}</section>\n"


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
