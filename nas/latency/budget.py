"""The cost that a method learns to keep, differentiable."""

from collections.abc import Mapping

from torch import Tensor

from nas.costs import ExpectedCost
from nas.errors import UsageError
from nas.hardware import feature_table
from nas.latency.model import LatencyModel
from nas.problem import Budget
from nas.setup.experiment import LATENCY, Bench

__all__ = ["expected_budget"]

_SHARE = 0.5
_ADDITIVE = ("flops", "params")
_MICROSECONDS = 1000.0


def expected_budget(bench: Bench, latency: LatencyModel | None) -> Budget:
    """The run's cost in microseconds, FLOPs or parameters; its bound is that of the constraint, or half the largest.

    Raises:
        UsageError: the cost is no sum over blocks.
    """
    if bench.cost == LATENCY:
        assert latency is not None
        table, constant = latency.predictor.sums()
        unit = _MICROSECONDS
    elif bench.cost in _ADDITIVE:
        table, constant = feature_table(bench.catalogue()).part([bench.cost]), 0.0
        unit = 1.0
    else:
        raise UsageError(
            f"method '{bench.config.method}' learns to keep a cost, but {bench.cost} does not add up over blocks; "
            f"constrain {LATENCY}, {' or '.join(_ADDITIVE)} instead."
        )
    cost = ExpectedCost(bench.space, table, constant).to(bench.device)

    def expected(probabilities: Mapping[str, Tensor]) -> Tensor:
        value: Tensor = unit * cost(probabilities)
        return value

    bound, largest = _bounds(bench, latency)
    return Budget(expected, unit * bound, unit * largest)


def _bounds(bench: Bench, latency: LatencyModel | None) -> tuple[float, float]:
    """The bound of the cost, and the cost of the largest architecture."""
    table = latency.costs if latency else bench.cost_table
    largest = {str(name): float(value) for name, value in table([bench.space.largest()]).iloc[0].items()}
    bounds = [constraint.resolve(largest).bound for constraint in bench.constraints if constraint.metric == bench.cost]
    return min(bounds, default=_SHARE * largest[bench.cost]), largest[bench.cost]
