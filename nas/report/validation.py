"""How networks of a supernet did on validation examples while it trained."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.figures import validation_figure
from nas.report.sections import figure_with_caption

__all__ = ["validation_part"]

_CAPTION = (
    "The largest and the smallest network that are trained, each with its batch norm recalibrated, on a few validation "
    "examples, always the same. Nothing is decided by it; epochs are left out so that it takes at most 2% of the time."
)


def validation_part(epochs: Sequence[Mapping[str, Any]]) -> str:
    """The figure as HTML; empty where no epoch was evaluated."""
    figure = validation_figure(epochs)
    return "" if figure is None else figure_with_caption("validation", figure, _CAPTION, "")
