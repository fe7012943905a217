"""Single-Path NAS: thresholds decide which parts of one superkernel are there."""

from nas.methods.differentiable import RECIPE, budget_of, most_likely, relaxed_phases
from nas.methods.method import Method
from nas.problem import Problem
from nas.supernet.relaxations import Thresholds
from nas.training import LossTerm, Phase, TargetCost

__all__ = ["SINGLE_PATH"]

_WEIGHT = 0.5
_NEVER_TOO_CHEAP = 1.0


def _phases(problem: Problem) -> list[Phase]:
    """The logarithm of the cost counts while it is above its bound; as published it always does, and the user looks for
    the weight that meets a bound."""
    budget = budget_of(problem)
    objective: list[LossTerm] = [
        problem.loss(),
        TargetCost(budget.expected, budget.bound, _NEVER_TOO_CHEAP, _WEIGHT, roles=("weights",)),
    ]
    return relaxed_phases(problem, Thresholds(problem.supernet), rule=most_likely, objective=lambda relaxed: objective)


SINGLE_PATH = Method(
    name="single-path",
    family="differentiable",
    paper="Stamoulis et al., Single-Path NAS: Designing hardware-efficient ConvNets in less than 4 hours, 2019",
    summary="thresholds on the norms of parts of one superkernel; the expected cost in the loss while above its bound",
    phases=_phases,
    recipe=RECIPE,
    learning={"share": None, "weight_decay": 0.0, "reach": 12.0},
    needs_budget=True,
    retrain="fresh",
    settings={"strategy": "derived", "candidates": 25},
)
