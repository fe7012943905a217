"""The page of a run that has no result yet: how far it is, its losses and its candidates so far."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.content import number
from nas.report.drawing import time_bar
from nas.report.figures import loss_figure
from nas.report.header import card
from nas.report.plotting import BLUE, Figure, by_epoch, layout
from nas.report.quantities import label, written
from nas.report.search_page import page
from nas.report.sections import figure_with_caption, section
from nas.report.validation import validation_part

__all__ = ["render_progress"]

_SEARCH = "The best of the candidates that keep every constraint, by how many are evaluated."


def render_progress(told: Mapping[str, Any], summary: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str:
    """The page as text.

    Args:
        told: how far it is, as :func:`nas.runs.how_far` has it.
        summary: of the run, for the head, as of :class:`nas.report.ReportContent`.
        events: lines of its log, see :mod:`nas.setup.events`.
    """
    epochs = [event for event in events if event["stage"] == "train" and "epoch" in event]
    losses = figure_with_caption("training", loss_figure(epochs), "Losses by epoch.", "No epoch has ended yet.")
    search = _search_figure([event for event in events if event["stage"] == "search" and "done" in event])
    sections = [
        section("Training", losses + validation_part(epochs)),
        section("Search", figure_with_caption("search", search, _SEARCH, "No candidate is evaluated yet.")),
        section("Where the time went", time_bar(told["seconds"]) or '<p class="empty">No stage has ended yet.</p>'),
    ]
    note = f"This run is {told['state']}: what is shown is what its files hold so far."
    return page(str(told["run"]), summary, [note], _cards(told), sections)


def _cards(told: Mapping[str, Any]) -> str:
    cards = [
        card("Stage", str(told["stage"] or "beginning"), str(told["state"]), f"began {html.escape(str(told['begun']))}")
    ]
    if "epochs" in told:
        loss = number(told, "loss")
        cards.append(card("Epochs of the supernet", f"{told['epochs']:,}", "", f"loss {written('loss', loss)}"))
    if "evaluated" in told:
        metric, best = str(told["metric"]), number(told, "best")
        cards.append(card("Candidates", f"{told['evaluated']:,}", f"of {told['of']:,}", ""))
        cards.append(card(f"Best {label(metric).lower()}", written(metric, best), "of those that fit", ""))
    return "".join(cards)


def _search_figure(events: Sequence[Mapping[str, Any]]) -> Figure | None:
    found = {number(event, "done"): number(event, "best") for event in events}
    known = {done: best for done, best in found.items() if not math.isnan(done + best)}
    if not known:
        return None
    frame = layout("evaluated_candidates", str(events[-1].get("metric")))
    return {"data": [by_epoch("best so far", known, BLUE, 2.5)], "layout": frame}
