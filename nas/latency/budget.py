"""The cost that a method learns to keep, differentiable."""

from collections.abc import Mapping

from torch import Tensor

from nas.costs import ExpectedCost
from nas.errors import UsageError
from nas.hardware import feature_table
from nas.latency.model import LatencyModel
from nas.problem import Budget
from nas.setup.run_setup import LATENCY, Setup

__all__ = ["expected_budget"]

_SHARE = 0.5
_ADDITIVE = ("flops", "params")
_MICROSECONDS = 1000.0


def expected_budget(setup: Setup, latency: LatencyModel | None) -> Budget:
    """The run's cost in microseconds, FLOPs or parameters; its bound is that of the constraint, or half the largest.

    Raises:
        UsageError: the cost is no sum over blocks.
    """
    if setup.cost == LATENCY:
        assert latency is not None
        table, constant = latency.predictor.sums()
        unit = _MICROSECONDS
    elif setup.cost in _ADDITIVE:
        table, constant = feature_table(setup.catalogue()).part([setup.cost]), 0.0
        unit = 1.0
    else:
        raise UsageError(
            f"method '{setup.config.method}' learns to keep a cost, but {setup.cost} does not add up over blocks; "
            f"constrain {LATENCY}, {' or '.join(_ADDITIVE)} instead."
        )
    cost = ExpectedCost(setup.space, table, constant).to(setup.device)

    def expected(probabilities: Mapping[str, Tensor]) -> Tensor:
        value: Tensor = unit * cost(probabilities)
        return value

    bound, largest = _bounds(setup, latency)
    return Budget(expected, unit * bound, unit * largest)


def _bounds(setup: Setup, latency: LatencyModel | None) -> tuple[float, float]:
    """The bound of the cost, and the cost of the largest architecture."""
    table = latency.costs if latency else setup.cost_table
    largest = {str(name): float(value) for name, value in table([setup.space.largest()]).iloc[0].items()}
    bounds = [constraint.resolve(largest).bound for constraint in setup.constraints if constraint.metric == setup.cost]
    return min(bounds, default=_SHARE * largest[setup.cost]), largest[setup.cost]
