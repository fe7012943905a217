"""TAS: mixtures of two sampled sizes, and a target for the expected cost."""

from nas.methods.differentiable import budget_of, differentiable_method, most_likely, relaxed_phases
from nas.problem import Problem
from nas.supernet.relaxations import Concrete, SampledSizes, cosine
from nas.training import Phase, TargetCost

__all__ = ["TAS"]

_BAND = 0.05


def _phases(problem: Problem) -> list[Phase]:
    """As published, except that the final network is retrained without distillation."""
    budget = budget_of(problem)
    cost = TargetCost(budget.expected, budget.bound, _BAND * budget.largest / budget.bound)
    return relaxed_phases(
        problem,
        SampledSizes(),
        depths=Concrete((5.0, 0.1), cosine),
        rule=most_likely,
        objective=lambda relaxed: [problem.loss(), cost],
    )


TAS = differentiable_method(
    "tas",
    paper="Dong and Yang, Network pruning via transformable architecture search, 2019",
    summary="mixes two sampled sizes of each layer; pushes the expected cost into a band below its bound",
    phases=_phases,
    recipe={"learning_rate": 0.1},
    learning={"reach": 50.0},
    search_args={},
    needs_budget=True,
)
