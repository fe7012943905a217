"""What methods with the sandwich rule have in common."""

from nas.problem import Problem
from nas.sampling import Sandwich
from nas.training import Phase, SupernetStep

__all__ = ["sandwich_phases"]


def sandwich_phases(problem: Problem, random: int = 2) -> list[Phase]:
    """The largest subnet learns from labels; the smallest and some random ones are distilled from it."""
    paths = Sandwich(problem.supernet.space, problem.seed, random=random)
    labels = problem.loss(roles=("largest",))
    return [problem.phase(SupernetStep(problem.supernet, paths, [labels, problem.task.distillation()]))]
