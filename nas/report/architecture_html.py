"""How architecture parameters went: entropy, probabilities, what changed; and the cells of an architecture."""

import html
from collections.abc import Mapping
from typing import Any

from nas.report.architecture_figures import entropy_figure, probability_figures
from nas.report.architecture_records import MOST_EPOCHS, Change, changes, recorded, said
from nas.report.cells import DerivedCell, cell_figure, derived_cells
from nas.report.content import ReportContent
from nas.report.plotting import Figure
from nas.report.sections import chip, figure_with_caption, sortable
from nas.wording import counted

__all__ = ["architecture_section", "cells_of"]

_ARROW = " \N{RIGHTWARDS ARROW} "


def architecture_section(content: ReportContent) -> str:
    """HTML: entropy by epoch, the last probabilities, what each epoch changed in what is derived from them."""
    if not recorded(content):
        return '<p class="empty">No epoch recorded the architecture parameters.</p>'
    entropy = figure_with_caption(
        "entropy", entropy_figure(content), _entropy_caption(content), "No epoch recorded the entropy."
    )
    return entropy + _probabilities(content) + _derived(content)


def _entropy_caption(content: ReportContent) -> str:
    sentence = "The mean over choices: 100% if all options are equally likely, 0% if every choice is decided."
    epochs = len(recorded(content))
    return f"{sentence} {MOST_EPOCHS} of {epochs:,} epochs are drawn." if epochs > MOST_EPOCHS else sentence


def _probabilities(content: ReportContent) -> str:
    return "".join(
        f'<div class="heat"><h3>Probabilities: {html.escape(title)}</h3>'
        f"{figure_with_caption(f'probability-{index}', figure, _probability_caption(content, figure), '')}</div>"
        for index, (title, figure) in enumerate(probability_figures(content).items(), start=1)
    )


def _probability_caption(content: ReportContent, figure: Figure) -> str:
    cut = "derived_by_bank" in recorded(content)[-1]["architecture"]
    mean = ", the mean over the regions that the space was cut into" if cut else ""
    sentence = f"How likely each option is after the last epoch{mean}."
    return f"{sentence} The slider shows earlier ones." if "sliders" in figure["layout"] else sentence


def _derived(content: ReportContent) -> str:
    epochs = [epoch for epoch in recorded(content) if epoch["architecture"].get("derived")]
    if not epochs:
        return ""
    return f"<h3>Changes of the derived architecture</h3>{_changes(changes(epochs), len(epochs))}"


def cells_of(architecture: Mapping[str, Any]) -> str:
    """HTML of the cells of an architecture, if it has any: a figure for each.

    Args:
        architecture: choice → candidate.
    """
    cells = derived_cells(architecture)
    operations = sorted({operation for cell in cells for operation in cell.edges.values()})
    return "".join(
        f"<h3>Cell{html.escape(f': {cell.name}' if cell.name else '')}</h3>"
        + figure_with_caption(f"cell-{index}", cell_figure(cell, operations), _cell_caption(cell), "")
        for index, cell in enumerate(cells, start=1)
    )


def _cell_caption(cell: DerivedCell) -> str:
    edges = counted(len(cell.edges), "edge")
    inputs = " and ".join(map(str, cell.inputs))
    known = f"node {inputs} is the input" if len(cell.inputs) == 1 else f"nodes {inputs} are the inputs"
    return f"As delivered, with {edges}; {known} (lighter)."


def _changes(changed: list[Change], epochs: int) -> str:
    """How often the derived architecture changed, in words, and a table row for each epoch in which it did."""
    if not changed:
        said_so = f"The same in all {epochs:,} epochs that derived one." if epochs > 1 else "One epoch derived one."
        return f'<p class="empty">{said_so}</p>'
    return (
        f'<p class="key">Changed in {len(changed):,} of {counted(epochs - 1, "epoch")} after the first, '
        f"last in epoch {changed[-1].epoch:,}.</p>"
        f"{sortable('change-table', ('Epoch', 'Choices changed', 'Changes'), map(_row, changed))}"
    )


def _row(change: Change) -> str:
    chips = "".join(
        chip(choice, said(before) + _ARROW + said(after)) for choice, (before, after) in change.choices.items()
    )
    count = len(change.choices)
    return (
        f'<tr><td class="number" data-order="{change.epoch}">{change.epoch:,}</td>'
        f'<td class="number" data-order="{count}">{count:,}</td><td class="changes">{chips}</td></tr>'
    )
