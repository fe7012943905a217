"""Constraints: bounds on the metrics of an architecture."""

import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nas.errors import UsageError, did_you_mean
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Constraint", "NothingFeasibleError", "check_feasible"]

_PATTERN = re.compile(
    r"\s*(?P<metric>[^\s<>=]+)\s*(?P<operator><=|>=|<|>)"
    r"\s*(?P<bound>[-+]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
    r"\s*(?P<share>%\s*of\s+largest)?\s*"
)


@dataclass(frozen=True)
class Constraint:
    """A bound on one metric.

    Attributes:
        metric: name of the bounded column, in the unit of that column.
        operator: ``<=``, ``>=``, ``<`` or ``>``.
        bound: the number, in per cent if ``of_largest``.
        of_largest: whether the bound is a share of the value of the largest architecture; see :meth:`resolve`.

    >>> Constraint.parse("latency_ms <= 2").violation({"latency_ms": 3})
    0.5
    >>> str(Constraint.parse("params<=50 % of largest").resolve({"params": 1e6}))
    'params <= 500000'
    """

    metric: str
    operator: str
    bound: float
    of_largest: bool = False

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Reads ``metric operator bound`` or ``metric operator share% of largest``.

        Raises:
            UsageError: the text has another form.
        """
        match = _PATTERN.fullmatch(text)
        if match is None or not math.isfinite(float(match["bound"])):
            raise UsageError(
                f"constraint {text[:200]!r} cannot be read; write a metric, one of <= >= < > and a number, "
                "such as 'latency_ms <= 2' or 'params <= 50% of largest'."
            )
        bound = float(match["bound"])
        return cls(match["metric"], match["operator"], bound, of_largest=match["share"] is not None)

    def resolve(self, largest: Mapping[str, float]) -> "Constraint":
        """The same constraint with an absolute bound.

        Args:
            largest: metrics of the largest architecture of the space.

        Raises:
            UsageError: ``largest`` lacks the metric of a share.
        """
        if not self.of_largest:
            return self
        self.check_metric(largest)
        bound = self.bound / 100 * float(largest[self.metric])
        return replace(self, bound=float(f"{bound:.12g}"), of_largest=False)

    def check_metric(self, names: Iterable[str]) -> None:
        """Raises a UsageError unless the metric is among the names of all metrics."""
        names = list(names)
        if self.metric not in names:
            raise UsageError(
                f"constraint '{self}' bounds the unknown metric '{self.metric}'; {did_you_mean(self.metric, names)}"
            )

    def violation(self, metrics: Mapping[str, float]) -> float:
        """0 if satisfied, else the distance to the bound as a share of the bound, or itself if the bound is 0.

        Infinite if the metric is not a number.

        Raises:
            UsageError: the metric is missing, or the bound is still a share.
        """
        self.check_metric(metrics)
        if self.of_largest:
            raise UsageError(
                f"constraint '{self}' is a share; resolve it with the metrics of the largest architecture."
            )
        value = float(metrics[self.metric])
        if math.isnan(value):
            return math.inf
        excess = (value - self.bound if self.operator in ("<=", "<") else self.bound - value) / (abs(self.bound) or 1)
        strict = self.operator in ("<", ">")
        satisfied = excess < 0 if strict else excess <= 0
        return 0.0 if satisfied else max(excess, sys.float_info.epsilon)

    def __str__(self) -> str:
        whole = self.bound.is_integer() and abs(self.bound) < 1e15
        share = "% of largest" if self.of_largest else ""
        return f"{self.metric} {self.operator} {int(self.bound) if whole else repr(self.bound)}{share}"


class NothingFeasibleError(UsageError):
    """Not one of the architectures tried satisfies every constraint with finite objectives."""


def check_feasible(constraints: Sequence[Constraint], samples: "pd.DataFrame") -> None:
    """Checks that some sampled architecture satisfies every constraint.

    Args:
        constraints: with absolute bounds.
        samples: a row for each architecture, with a column for each constrained metric.

    Raises:
        NothingFeasibleError: no row does. It names the constraint that no row satisfies and the nearest value; if
            there is none, the values of the row that comes nearest to satisfying all of them.
    """
    rows = [{str(name): value for name, value in row.items()} for row in samples.to_dict("records")]
    violations = [[constraint.violation(row) for constraint in constraints] for row in rows]
    if not constraints or any(not any(row) for row in violations):
        return
    if not rows:
        raise UsageError(f"constraint '{constraints[0]}' cannot be checked: there is no sampled architecture.")
    for column, constraint in enumerate(constraints):
        nearest = min(range(len(rows)), key=lambda row: violations[row][column])
        if violations[nearest][column]:
            raise NothingFeasibleError(
                f"constraint '{constraint}' is met by none of the {counted(len(rows), 'architecture')} tried "
                f"(the nearest has {_value(constraint.metric, rows[nearest])}); loosen it or widen the space."
            )
    nearest = min(range(len(rows)), key=lambda row: sum(violations[row]))
    values = ", ".join(_value(metric, rows[nearest]) for metric in dict.fromkeys(c.metric for c in constraints))
    names = " and ".join(f"'{constraint}'" for constraint in constraints)
    raise NothingFeasibleError(
        f"constraints {names} are met together by none of the {counted(len(rows), 'architecture')} tried "
        f"(the nearest has {values}); loosen one or widen the space."
    )


def _value(metric: str, row: Mapping[str, float]) -> str:
    value = float(row[metric])
    return f"{metric} {value:.0f}" if abs(value) >= 1000 else f"{metric} {value:.4g}"
