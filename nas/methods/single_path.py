"""Single-Path NAS: thresholds select the active parts of one superkernel."""

from nas.methods.differentiable import budget_of, differentiable_method, most_likely, relaxed_phases
from nas.problem import Problem
from nas.supernet.relaxations import Thresholds
from nas.training import Phase, TargetCost

__all__ = ["SINGLE_PATH"]

_WEIGHT = 0.5
_BAND = 1.0
"""Down to a cost of zero: no cost is too low."""


def _phases(problem: Problem) -> list[Phase]:
    """The loss includes the logarithm of the cost while that is above its bound. As published it always does, and users
    have to find the weight that keeps the bound."""
    budget = budget_of(problem)
    cost = TargetCost(budget.expected, budget.bound, _BAND, _WEIGHT, roles=("weights",))
    relaxation = Thresholds(problem.supernet)
    return relaxed_phases(problem, relaxation, rule=most_likely, objective=lambda relaxed: [problem.loss(), cost])


SINGLE_PATH = differentiable_method(
    "single-path",
    paper="Stamoulis et al., Single-Path NAS: Designing hardware-efficient ConvNets in less than 4 hours, 2019",
    summary="thresholds on the norms of parts of one superkernel; the expected cost in the loss while above its bound",
    phases=_phases,
    learning={"share": None, "weight_decay": 0.0, "reach": 12.0},
    search_args={},
    needs_budget=True,
)
