"""What a report shows, as plain values: whoever ran the search fills it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas.errors import UsageError, did_you_mean
from nas.report.latency import LatencyContent
from nas.tasks.calibration import Calibration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COSTS", "Confusion", "Floats", "ReportContent", "column", "flags", "latency_source", "number"]

Floats = npt.NDArray[np.float64]

COSTS = ("latency_ms", "flops", "params", "peak_memory_bytes", "weight_bytes", "weight_bytes_int8")
"""What may stand on the x axis of the Pareto front."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """What a classifier answered, by what was right.

    Attributes:
        classes: their names.
        counts: ``[classes, classes]``, how many examples of the class of the row were taken for that of the column.
        examples: what was classified, such as "validation images".
        calibration: how far its confidence is from its accuracy, where that is known.
    """

    classes: Sequence[str]
    counts: npt.NDArray[np.int64]
    examples: str
    calibration: Calibration | None = None

    @property
    def accuracies(self) -> npt.NDArray[np.float64]:
        """Of each class; NaN where there is no example of it."""
        seen = self.counts.sum(axis=1)
        return np.where(seen > 0, self.counts.diagonal() / np.maximum(seen, 1), np.nan)

    @property
    def guessing(self) -> float:
        """The accuracy of answering the most frequent class always."""
        return float(self.counts.sum(axis=1).max() / max(1, self.counts.sum()))


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContent:
    """Everything that one report shows.

    A *network* is a mapping with ``architecture`` (choice → candidate), ``latency_ms`` with ``latency_spread_ms``
    (median absolute deviation), ``params``, ``flops``, ``peak_memory_bytes``, ``weight_bytes``, ``weight_bytes_int8``
    and, with ``accuracy`` standing for the name of the metric, ``accuracy``, ``accuracy_low``, ``accuracy_high`` (95%
    interval), ``test_accuracy``, and ``latency_source`` ("measured", "measured in PyTorch", "recorded"
    or "predicted"). A number that is unknown is left out, None or NaN. An accuracy is a share of 1.

    Attributes:
        title: name of the run.
        summary: ``space``, ``method``, ``strategy``, ``data``, ``target``, ``constraints`` (list of texts), ``seed``,
            ``command``, ``versions`` (package → version), ``seconds`` (stage → seconds), ``config`` (text); each
            may be missing, and other keys are shown as they are.
        metric: what networks are evaluated by.
        selected_by: column of ``candidates`` and ``random``, and number of every network, that the search went by; the
            metric itself by default.
        maximise: whether more is better of what the search went by.
        cost: column on the x axis of the front, one of :data:`COSTS` or ``own_costs``.
        own_costs: columns of ``candidates`` and numbers of every network that this run alone counts.
        best: the chosen network, measured.
        largest: the largest network of the space, measured.
        front: the networks of the Pareto front, measured.
        candidates: a row an architecture, in evaluation order, with ``id``, ``architecture`` (JSON), the score,
            ``feasible``, ``pareto`` and any of ``<score>_low``, ``<score>_high``, ``params``, ``flops``,
            ``peak_memory_bytes``, ``weight_bytes``, ``weight_bytes_int8``, ``latency_ms`` (predicted) and
            ``measured_latency_ms``.
        random: randomly drawn feasible candidates, the baseline; the same columns, or no row at all.
        epochs: training history: ``epoch``, ``loss``, ``loss_<role>``, ``learning_rate``, ``images_per_second`` and,
            where architecture parameters learnt, ``architecture``: any of ``probabilities`` (choice → a share of 1 for
            each option), ``entropy`` (choice → nats) and ``derived`` (choice → candidate, a list for a subset).
        blocks: the chosen network block by block: ``path``, ``kind``, ``choices``, ``skipped``, ``params``, ``flops``,
            ``output_shape``.
        relaxation: choice → what each of its options is called, where architecture parameters learnt; or None.
        latency: how well latency is predicted and what the space costs, or None.
        choice: sentences that say why the chosen network was taken.
        controls: plain networks of equal cost that were trained as the chosen one, see :mod:`nas.report.controls`.
        entrants: the networks of the last round, see :mod:`nas.report.last_round`.
        confusion: which classes the chosen network takes for which, where it tells classes.
        examples: what the networks are trained on, in the plural.
        notes: sentences worth saying before anything else.

    Raises:
        UsageError: the cost is not known, a table lacks a column, a network lacks the metric, or an epoch's
            architecture does not fit the options.
    """

    title: str
    summary: Mapping[str, Any]
    best: Mapping[str, Any]
    largest: Mapping[str, Any]
    front: Sequence[Mapping[str, Any]]
    candidates: "pd.DataFrame"
    random: "pd.DataFrame"
    epochs: Sequence[Mapping[str, Any]]
    blocks: Sequence[Mapping[str, Any]]
    metric: str = "accuracy"
    selected_by: str | None = None
    maximise: bool = True
    cost: str = "latency_ms"
    own_costs: Sequence[str] = ()
    relaxation: Mapping[str, Sequence[str]] | None = None
    latency: LatencyContent | None = None
    choice: Sequence[str] = ()
    controls: Mapping[str, Any] | None = None
    entrants: Sequence[Mapping[str, Any]] = ()
    confusion: Confusion | None = None
    examples: str = "images"
    notes: Sequence[str] = ()

    @property
    def score(self) -> str:
        """What the search went by."""
        return self.selected_by or self.metric

    def __post_init__(self) -> None:
        if self.cost not in (known := (*COSTS, *self.own_costs)):
            raise UsageError(f"report cost '{self.cost}' is not known; {did_you_mean(self.cost, known)}")
        for name, table, needed in (
            ("candidates", self.candidates, ("id", "architecture", self.score, "feasible", "pareto")),
            ("random", self.random, (self.score,)),
        ):
            missing = [column for column in needed if column not in table]
            if missing and len(table):
                raise UsageError(f"report table '{name}' lacks the column '{missing[0]}'; add it to every row.")
        for name, network in (("best", self.best), ("largest", self.largest)):
            if self.metric not in network:
                raise UsageError(f"report network '{name}' lacks '{self.metric}'; give its value, or None if unknown.")
        if self.relaxation is not None:
            for epoch in self.epochs:
                _check_architecture(epoch, self.relaxation)


def number(row: Mapping[str, Any], name: str) -> float:
    """The named number of a row; NaN when it is missing, None or infinite."""
    value = row.get(name)
    known = float("nan") if value is None else float(value)
    return known if np.isfinite(known) else float("nan")


def latency_source(content: ReportContent) -> str:
    """Where the latencies of the front, the chosen and the largest network come from, in words."""
    networks = (*content.front, content.best, content.largest)
    return " or ".join(sorted({str(row.get("latency_source", "measured")) for row in networks}, reverse=True))


def column(table: "pd.DataFrame", name: str) -> Floats:
    """The named numbers ``[rows]`` of a table; NaN where they are missing or infinite."""
    if name not in table:
        return np.full(len(table), np.nan)
    values = table[name].to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def flags(table: "pd.DataFrame", name: str) -> npt.NDArray[np.bool_]:
    """The named truths ``[rows]`` of a table; False where they are missing."""
    return column(table, name) > 0


def _check_architecture(epoch: Mapping[str, Any], options: Mapping[str, Sequence[str]]) -> None:
    record: Mapping[str, Any] = epoch.get("architecture") or {}
    for part in ("probabilities", "entropy"):
        for choice in record.get(part) or {}:
            if choice not in options:
                raise UsageError(
                    f"report epoch {epoch.get('epoch')} has {part} of the choice '{choice}', whose options are not "
                    "told; add it to 'relaxation'."
                )
    for choice, shares in (record.get("probabilities") or {}).items():
        if len(shares) != len(options[choice]):
            raise UsageError(
                f"report epoch {epoch.get('epoch')} has {len(shares)} probabilities of the choice '{choice}'; "
                f"give one for each of its {len(options[choice])} options."
            )
