"""ProxylessNAS: one path in memory, and the latency of the target in the loss."""

from nas.methods.differentiable import RECIPE, budget_of, most_likely, relaxed_phases
from nas.methods.method import Method
from nas.problem import Problem
from nas.supernet.relaxations import BinaryGates
from nas.training import LossTerm, Phase, ScaledLoss

__all__ = ["PROXYLESS"]


def _phases(problem: Problem) -> list[Phase]:
    """Mode ``full_v2`` with the loss ``mul#log`` of the published code; architecture parameters learn in every step and
    from half of the images, there in every fifth and from 4 % of a large set. One path is in memory where a choice is
    between modules; elastic layers hold all candidates in one weight and run the largest."""
    labels = problem.loss(roles=("architecture",))
    budget = budget_of(problem)
    objective: list[LossTerm] = [
        problem.loss(roles=("weights",)),
        ScaledLoss(labels, budget.expected, budget.bound),
    ]
    return relaxed_phases(problem, BinaryGates(), rule=most_likely, objective=lambda relaxed: objective)


PROXYLESS = Method(
    name="proxyless",
    family="differentiable",
    paper="Cai et al., ProxylessNAS: Direct neural architecture search on target task and hardware, 2019",
    summary="binary gates run one path; the expected cost on the target is part of the loss",
    phases=_phases,
    recipe=RECIPE,
    learning={"beta1": 0.0, "weight_decay": 0.0, "reach": 25.0, "warmup": 0.25},
    needs_budget=True,
    retrain="fresh",
    settings={"strategy": "derived", "candidates": 25},
)
