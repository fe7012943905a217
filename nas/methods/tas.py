"""TAS: two sampled sizes at a time, and a cost to meet."""

from nas.methods.differentiable import RECIPE, budget_of, most_likely, relaxed_phases
from nas.methods.method import Method
from nas.problem import Problem
from nas.supernet.relaxations import Concrete, SampledSizes, cosine
from nas.training import LossTerm, Phase, TargetCost

__all__ = ["TAS"]

_BAND = 0.05


def _phases(problem: Problem) -> list[Phase]:
    """As published but for the distillation of the final network, which is retrained from labels alone."""
    budget = budget_of(problem)
    band = _BAND * budget.largest / budget.bound
    objective: list[LossTerm] = [
        problem.loss(),
        TargetCost(budget.expected, budget.bound, band),
    ]
    return relaxed_phases(
        problem,
        SampledSizes(),
        depths=Concrete((5.0, 0.1), cosine),
        rule=most_likely,
        objective=lambda relaxed: objective,
    )


TAS = Method(
    name="tas",
    family="differentiable",
    paper="Dong and Yang, Network pruning via transformable architecture search, 2019",
    summary="mixes two sampled sizes of each layer; pushes the expected cost into a band below its bound",
    phases=_phases,
    recipe={**RECIPE, "learning_rate": 0.1},
    learning={"reach": 50.0},
    needs_budget=True,
    retrain="fresh",
    settings={"strategy": "derived", "candidates": 25},
)
