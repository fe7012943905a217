"""How well latency is predicted, as plain values: whoever measured fills it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nas.errors import UsageError

__all__ = ["LatencyContent"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LatencyContent:
    """What the report shows of a target's latency and its predictor.

    Attributes:
        target: where networks were measured, in words.
        measured: milliseconds ``[n]`` of networks that the predictor has not seen.
        predicted: what it says of them ``[n]``, in milliseconds.
        trained: how many measured networks it was fitted on.
        noise_floor: relative difference between two measurements of one network; None if unknown.
        errors: name → error of the predictor on networks that it has not seen, such as ``mape``, ``within_5pct``,
            ``within_10pct`` (shares of 1) and ``spearman``.
        predictors: a row a predictor that was compared: ``kind``, any of those errors and ``chosen``.
        front: networks of a front, measured: ``id``, ``latency_ms`` and any of ``latency_spread_ms``,
            ``predicted_latency_ms`` and the costs that need no device.
        feasibility: what :func:`nas.latency.feasibility_report` tells, or None.

    Raises:
        UsageError: measured and predicted differ in length, or a latency is no number or not above 0.
    """

    target: str
    measured: Sequence[float]
    predicted: Sequence[float]
    trained: int
    noise_floor: float | None = None
    errors: Mapping[str, float] = field(default_factory=dict)
    predictors: Sequence[Mapping[str, Any]] = ()
    front: Sequence[Mapping[str, Any]] = ()
    feasibility: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if len(self.measured) != len(self.predicted):
            raise UsageError(
                f"latency report has {len(self.measured)} measured and {len(self.predicted)} predicted latencies; "
                "give one prediction for each measurement."
            )
        for index, value in enumerate(self.measured):
            if not 0 < value < np.inf:
                raise UsageError(f"latency report has measured[{index}] {value}, expected ms above 0; leave it out.")
        for index, value in enumerate(self.predicted):
            if not np.isfinite(value):
                raise UsageError(
                    f"latency report has predicted[{index}] {value}, expected a number of ms; leave it out."
                )
