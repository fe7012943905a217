"""The cost that a method learns to keep."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from nas.costs import ExpectedCost
from nas.errors import UsageError
from nas.hardware import feature_table
from nas.latency.model import LatencyModel
from nas.problem import Budget, ExpectedBudget
from nas.setup.run_setup import LATENCY, Setup
from nas.space import Architecture

__all__ = ["run_budget", "unbounded"]

_SHARE = 0.5
_ADDITIVE = ("flops", "params")
_MICROSECONDS = 1000.0


def run_budget(setup: Setup, latency: LatencyModel | None) -> Budget:
    """The run's cost, latency in microseconds; its bound is that of the constraint, or half the largest.

    A differentiable method gets its expectation, too.

    Raises:
        UsageError: that is needed, and the cost is no sum over blocks.
    """
    unit = _MICROSECONDS if setup.cost == LATENCY else 1.0

    def costs(architectures: Sequence[Architecture]) -> list[float]:
        if setup.cost == LATENCY:
            assert latency is not None
            return [unit * value for value in latency.predict(architectures)]
        return [setup.costs_of(each)[setup.cost] for each in architectures]

    bound, largest = _bounds(setup, latency)
    about: dict[str, Any] = {"costs": costs, "bound": unit * bound, "largest": unit * largest}
    if not setup.is_differentiable:
        return Budget(**about)
    cost = _expected_cost(setup, latency)

    def expected(probabilities: Mapping[str, Tensor]) -> Tensor:
        value: Tensor = unit * cost(probabilities)
        return value

    return ExpectedBudget(**about, expected=expected)


def unbounded(setup: Setup) -> Budget | None:
    """A budget that removes nothing, for what is asked before latency is known; None where no method asks for one."""
    if not setup.method.needs_budget:
        return None

    def flops(architectures: Sequence[Architecture]) -> list[float]:
        return [float(setup.costs(each)["flops"]) for each in architectures]

    (largest,) = flops([setup.space.largest()])
    return Budget(flops, largest, largest)


def _expected_cost(setup: Setup, latency: LatencyModel | None) -> ExpectedCost:
    if setup.cost == LATENCY:
        assert latency is not None
        table, constant = latency.predictor.sums()
    elif setup.cost in _ADDITIVE:
        table, constant = feature_table(setup.catalogue()).part([setup.cost]), 0.0
    else:
        raise UsageError(
            f"method '{setup.config.method}' learns to keep a cost, but {setup.cost} does not add up over blocks; "
            f"constrain {LATENCY}, {' or '.join(_ADDITIVE)} instead."
        )
    return ExpectedCost(setup.space, table, constant).to(setup.device)


def _bounds(setup: Setup, latency: LatencyModel | None) -> tuple[float, float]:
    """The bound of the cost, and the cost of the largest architecture."""
    table = latency.costs if latency else setup.cost_table
    largest = {str(name): float(value) for name, value in table([setup.space.largest()]).iloc[0].items()}
    bounds = [constraint.resolve(largest).bound for constraint in setup.constraints if constraint.metric == setup.cost]
    return min(bounds, default=_SHARE * largest[setup.cost]), largest[setup.cost]
