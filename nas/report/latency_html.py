"""The latency predictor as the page shows it: big numbers, figures with captions, the comparison of predictors."""

import numpy as np

from nas.report.header import card
from nas.report.latency import LatencyContent
from nas.report.latency_figures import cost_figure, error_figure, prediction_figure
from nas.report.quantities import label, written
from nas.report.sections import figure_with_caption
from nas.report.tables import sortable_table
from nas.wording import counted

__all__ = ["latency_cards", "latency_section"]

_ERRORS = ("mape", "within_5pct", "within_10pct", "spearman")


def latency_cards(content: LatencyContent) -> str:
    """HTML of a card for each error of the predictor, the noise floor and the number of networks."""
    cards = [card(label(name), written(name, value), "", "") for name, value in content.errors.items()]
    if content.noise_floor is not None:
        cards.append(card("Noise floor", written("noise_floor", content.noise_floor), "", "between two measurements"))
    fitted = f"evaluated on {len(content.measured):,} that it has not seen"
    return "".join([*cards, card("Networks fitted on", f"{content.trained:,}", "", fitted)])


def latency_section(content: LatencyContent) -> str:
    """HTML: predicted against measured, the errors, the front by cost if it is known, and the predictors compared."""
    parts = [
        figure_with_caption(
            "prediction", prediction_figure(content), _prediction_caption(content), "No network was held out."
        )
    ]
    if (errors := error_figure(content)) is not None:
        parts += ["<h3>Relative error</h3>", figure_with_caption("error", errors, _error_caption(content), "")]
    if (costs := cost_figure(content)) is not None:
        caption = (
            "The networks of the front as measured; where they leave one line, the cost alone does not tell latency."
        )
        parts += ["<h3>Latency by cost</h3>", figure_with_caption("latency-cost", costs, caption, "")]
    if content.predictors:
        parts += ["<h3>Predictors compared</h3>", _comparison(content)]
    return "".join(parts)


def _prediction_caption(content: LatencyContent) -> str:
    known = [f"{label(name).lower()} {written(name, value)}" for name, value in content.errors.items()]
    said = f" {', '.join(known).capitalize()}." if known else ""
    return (
        f"{counted(len(content.measured), 'network')} that the predictor has not seen, measured on {content.target}; "
        f"it was fitted on {content.trained:,}.{said}"
    )


def _error_caption(content: LatencyContent) -> str:
    if content.noise_floor is None or not len(content.measured):
        return "Above zero the network is faster than predicted."
    error = np.abs(np.asarray(content.predicted) / np.asarray(content.measured) - 1)
    within = int((error <= content.noise_floor).sum())
    return (
        "Above zero the network is faster than predicted. "
        f"Two measurements of one network differ by {written('noise_floor', content.noise_floor)} (band); "
        f"{within:,} of {counted(len(error), 'network')} are predicted within that."
    )


def _comparison(content: LatencyContent) -> str:
    known = [name for name in _ERRORS if any(row.get(name) is not None for row in content.predictors)]
    return sortable_table("predictor-table", ["kind", *known, "chosen"], content.predictors, metric="")
