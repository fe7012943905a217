"""ProxylessNAS: one path in memory, and the expected latency in the loss."""

from nas.methods.differentiable import budget_of, differentiable_method, most_likely, relaxed_phases
from nas.problem import Problem
from nas.supernet.relaxations import BinaryGates
from nas.training import Phase, ScaledLoss

__all__ = ["PROXYLESS"]


def _phases(problem: Problem) -> list[Phase]:
    """Mode ``full_v2`` with the loss ``mul#log`` of the published code. There architecture parameters learn in every
    fifth step from 4 % of a large data set; here in every step, from half of the images. Only one path is in memory for
    choices between modules; elastic layers hold all candidates in one weight and run the largest."""
    budget = budget_of(problem)
    scaled = ScaledLoss(problem.loss(roles=("architecture",)), budget.expected, budget.bound)
    weights = problem.loss(roles=("weights",))
    return relaxed_phases(problem, BinaryGates(), rule=most_likely, objective=lambda relaxed: [weights, scaled])


PROXYLESS = differentiable_method(
    "proxyless",
    paper="Cai et al., ProxylessNAS: Direct neural architecture search on target task and hardware, 2019",
    summary="binary gates run one path; the expected cost on the target is part of the loss",
    phases=_phases,
    learning={"beta1": 0.0, "weight_decay": 0.0, "reach": 25.0, "warmup": 0.25},
    search_args={},
    needs_budget=True,
)
