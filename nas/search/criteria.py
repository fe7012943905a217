"""What a search selects by: objectives and constraints, applied to metrics."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nas.search.constraints import Constraint
from nas.search.objectives import Objective, objective_values
from nas.search.pareto import pareto_front
from nas.search.strategy import Result
from nas.space import Architecture, Fidelity

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Criteria"]


class Criteria:
    """The objectives and constraints of a search.

    Args:
        constraints: with absolute bounds.
        fidelity: how long architectures are trained.
    """

    def __init__(
        self, objectives: Sequence[Objective], constraints: Sequence[Constraint], fidelity: Fidelity | None = None
    ) -> None:
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self.fidelity = fidelity or Fidelity()

    def screen(self, architecture: Architecture, costs: Mapping[str, float]) -> Result:
        """The result before an evaluation: only constraints on costs count."""
        on_costs = [constraint for constraint in self.constraints if constraint.metric in costs]
        return Result(architecture, dict(costs), None, sum(constraint.violation(costs) for constraint in on_costs))

    def assess(self, architecture: Architecture, metrics: Mapping[str, float]) -> Result:
        """The result of an evaluation; the violation is infinite if an objective is not finite.

        Raises:
            UsageError: the metric of an objective or a constraint is missing.
        """
        objectives = objective_values(self.objectives, metrics)
        violation = sum(self.violations(metrics).values()) if objectives is not None else math.inf
        return Result(architecture, dict(metrics), objectives, violation, self.fidelity.is_whole(architecture))

    def violations(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Constraint → its violation."""
        return {str(constraint): constraint.violation(metrics) for constraint in self.constraints}

    def table(self, results: Iterable[Result]) -> "pd.DataFrame":
        """A row for each evaluated architecture: id, architecture (canonical JSON), metrics, feasible, pareto.

        What was trained for fewer epochs than others may be is not feasible: it is no network to end with.
        """
        import pandas as pd

        results = list(results)
        feasible = np.array([result.usable for result in results], dtype=bool)
        points = [result.objectives for result in results if result.objectives is not None and result.usable]
        front = np.zeros(len(results), dtype=bool)
        front[feasible] = pareto_front(np.array(points).reshape(len(points), len(self.objectives)))
        architectures = {
            "id": [result.architecture.id for result in results],
            "architecture": [result.architecture.key for result in results],
        }
        metrics = pd.DataFrame([result.metrics for result in results])
        return pd.concat([pd.DataFrame(architectures), metrics], axis=1).assign(feasible=feasible, pareto=front)
