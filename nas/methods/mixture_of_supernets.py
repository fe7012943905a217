"""Mixture-of-supernets: the weights of a subnet are mixed from experts by its architecture."""

from dataclasses import replace

from nas.methods.method import Method
from nas.methods.sandwich import sandwich_phases
from nas.problem import Problem
from nas.sharing import RoutedExperts
from nas.training import Phase, Routing

__all__ = ["MIXTURE_OF_SUPERNETS"]


def _phases(problem: Problem) -> list[Phase]:
    """The sandwich rule with one random path; where there are experts, what became of them is recorded."""
    sharing, (phase,) = problem.supernet.sharing, sandwich_phases(problem, random=1)
    if not isinstance(sharing, RoutedExperts):
        return [phase]
    return [replace(phase, listeners=[Routing(problem.supernet.space, sharing, problem.seed)])]


MIXTURE_OF_SUPERNETS = Method(
    name="mixture-of-supernets",
    family="mixture",
    paper="Jawahar et al., Mixture-of-supernets: Improving weight-sharing supernet training with "
    "architecture-routed mixture-of-experts, 2023",
    summary="sandwich rule with in-place distillation; routers mix the feed-forward weights for each architecture",
    phases=_phases,
    recipe={"optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.01, "clip": 1.0},
    sharing=RoutedExperts,
)
