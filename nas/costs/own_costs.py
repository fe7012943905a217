"""Costs that a user or another package counts, in addition to those that every run has."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError, did_you_mean
from nas.parts import Slot, check_options

if TYPE_CHECKING:
    from nas.costs.candidate import Candidate

__all__ = ["COSTS", "Cost", "OwnCosts"]

Cost = Callable[..., float]
"""A candidate, and options by their names → what it costs: a finite number, the less the better.

It may have an attribute ``choices``, the names of choices outside the model that it reads of architectures.
"""

COSTS: Slot[Cost] = Slot(
    "cost",
    "nas.costs",
    {"stored_params": "nas.costs.storage:stored_params", "depth_to_width": "nas.costs.convolution_path:depth_to_width"},
    lambda part: callable(part) and not inspect.isclass(part) and _column(part).isidentifier(),
    "a function of a nas.costs.Candidate that has a name",
)


class OwnCosts:
    """What the costs of a run's own say of candidates, each asked once.

    A column is called by the attribute ``name`` of its cost, else as the function.

    Args:
        costs: installed names, or ``module:function``.
        options: of the costs, by these names.

    Attributes:
        names: of the columns.

    Raises:
        UsageError: there is no such cost or option, or two columns have one name.

    >>> OwnCosts(["mine:layers"]).names
    Traceback (most recent call last):
    nas.errors.UsageError: cost 'mine:layers' names no importable module 'mine'; install it or put its folder on \
PYTHONPATH.
    """

    def __init__(self, costs: Sequence[str], options: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        for name in options or {}:
            if name not in costs:
                instead = did_you_mean(name, costs) if costs else "name it there too."
                raise UsageError(f"costs_args has options of '{name}', which is none of costs; {instead}")
        self._costs: dict[str, tuple[str, Cost]] = {}
        """Column → what the cost is called, and the function of a candidate."""
        self._known: dict[str, dict[str, float]] = {}
        for name in costs:
            column, cost = _made(name, (options or {}).get(name, {}))
            self.require_other([column] if column in self._costs else [])
            self._costs[column] = name, cost
        self.names = tuple(self._costs)

    def __call__(self, candidate: "Candidate") -> dict[str, float]:
        """The costs by the names of their columns.

        Raises:
            UsageError: a cost fails, or gives something else than a finite number.
        """
        key = candidate.architecture.key
        if key not in self._known:
            self._known[key] = {column: _asked(*cost, candidate) for column, cost in self._costs.items()}
        return self._known[key]

    def require_other(self, taken: Iterable[str]) -> None:
        """Refuses (UsageError) names that other columns have."""
        for column in taken:
            if column in self._costs:
                raise UsageError(
                    f"cost '{self._costs[column][0]}' gives the column '{column}', but another gives it too; rename "
                    "the function, or give it an attribute 'name'."
                )


def _made(name: str, options: Mapping[str, Any]) -> tuple[str, Cost]:
    """The column of a cost, and the function of a candidate alone."""
    cost = COSTS[name]
    first = next(iter(inspect.signature(cost).parameters), "")
    return _column(cost), partial(cost, **check_options(cost, options, f"cost '{name}'", [first]))


def _asked(name: str, cost: Cost, candidate: "Candidate") -> float:
    architecture = f"architecture {candidate.architecture.id}, {candidate.architecture.key}"
    try:
        value: Any = cost(candidate)
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except UsageError:
        raise
    except Exception as error:  # a user's code can fail in any way
        raise UsageError(f"cost '{name}' fails for {architecture}: {type(error).__name__}: {error}.") from error
    if not math.isfinite(number):
        raise UsageError(f"cost '{name}' gave {value!r} for {architecture}; return a finite number.")
    return number


def _column(cost: Cost) -> str:
    return str(getattr(cost, "name", getattr(cost, "__name__", "")))
