"""Objectives: metrics that a search maximises or minimises."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nas.errors import UsageError, did_you_mean

__all__ = ["Objective", "objective_values"]


@dataclass(frozen=True)
class Objective:
    """A metric to maximise or to minimise.

    >>> Objective("accuracy", maximise=True).value({"accuracy": 0.9})
    -0.9
    """

    metric: str
    maximise: bool

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Reads ``maximise metric`` or ``minimise metric``.

        Raises:
            UsageError: the text has another form.

        >>> Objective.parse("minimise loss")
        Objective(metric='loss', maximise=False)
        """
        direction, _, metric = text.strip().partition(" ")
        if direction not in ("maximise", "minimise") or not metric.strip() or len(metric.split()) > 1:
            raise UsageError(
                f"objective {text[:200]!r} cannot be read; write maximise or minimise and a metric, such as "
                "'maximise accuracy'."
            )
        return cls(metric.strip(), direction == "maximise")

    def value(self, metrics: Mapping[str, float]) -> float:
        """The value to minimise: the metric, negated if it is to be maximised.

        Raises:
            UsageError: the metric is missing.
        """
        if self.metric not in metrics:
            raise UsageError(
                f"objective '{self.metric}' is none of the measured metrics; {did_you_mean(self.metric, metrics)}"
            )
        return -float(metrics[self.metric]) if self.maximise else float(metrics[self.metric])

    def __str__(self) -> str:
        return f"{'maximise' if self.maximise else 'minimise'} {self.metric}"


def objective_values(objectives: Iterable[Objective], metrics: Mapping[str, float]) -> tuple[float, ...] | None:
    """The vector to minimise; None if a metric is infinite or not a number, as after a diverged training.

    Raises:
        UsageError: a metric is missing.
    """
    values = tuple(objective.value(metrics) for objective in objectives)
    return values if all(map(math.isfinite, values)) else None
