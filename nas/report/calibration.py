"""How far the delivered network may be believed: accuracy by confidence."""

import numpy as np

from nas.report.plotting import BLUE, SLATE, Figure, layout, scatter
from nas.report.sections import figure_with_caption
from nas.tasks.calibration import Calibration

__all__ = ["calibration_section"]


def calibration_section(calibration: Calibration) -> str:
    """HTML: a reliability diagram, and the error in its caption."""
    gap = float(np.average(calibration.confidences - calibration.accuracies, weights=calibration.counts))
    caption = (
        f"Accuracy of the answers by their confidence, which would lie on the line. Expected calibration error "
        f"{calibration.error:.1%}, in {len(calibration.counts)} bins; on the whole the network is "
        f"{'more' if gap > 0 else 'less'} confident than right, by {abs(gap):.1%}."
    )
    return figure_with_caption("calibration", _diagram(calibration), caption, "")


def _diagram(calibration: Calibration) -> Figure:
    seen = calibration.counts > 0
    bins = len(calibration.counts)
    bars = {
        "type": "bar",
        "name": "accuracy",
        "x": ((np.arange(bins) + 0.5) / bins)[seen].round(4).tolist(),
        "y": calibration.accuracies[seen].round(4).tolist(),
        "width": 0.94 / bins,
        "marker": {"color": BLUE},
        "customdata": calibration.counts[seen].tolist(),
        "hovertemplate": "confidence %{x:.0%}: %{y:.1%} right of %{customdata}<extra></extra>",
    }
    line = scatter("as confident as right", [0, 1], [0, 1], "lines") | {"line": {"color": SLATE, "dash": "dash"}}
    frame = layout("confidence", "accuracy") | {"height": 360}
    frame["xaxis"] |= {"range": [0, 1], "tickformat": ".0%"}
    frame["yaxis"] |= {"range": [0, 1.02]}
    return {"data": [bars, line], "layout": frame}
