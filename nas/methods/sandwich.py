"""What methods with the sandwich rule have in common."""

from typing import Any

from nas.errors import UsageError
from nas.problem import Problem
from nas.sampling import Sandwich
from nas.tasks import AlphaDistillation
from nas.tasks.categorical import Categorical
from nas.training import LossTerm, Phase, SupernetStep

__all__ = ["alpha_distillation", "sandwich_phases", "taught_by_largest"]


def sandwich_phases(problem: Problem, random: int = 2) -> list[Phase]:
    """The largest subnet learns from labels; the smallest and some random ones are distilled from it."""
    paths = Sandwich(problem.drawn_from, problem.seed, random=random)
    return [
        problem.phase(SupernetStep(problem.supernet, paths, taught_by_largest(problem, problem.task.distillation())))
    ]


def taught_by_largest(problem: Problem, distillation: LossTerm) -> list[LossTerm]:
    """The largest subnet learns from labels, the others what the term says."""
    return [problem.loss(roles=("largest",)), distillation]


def alpha_distillation(problem: Problem, method: str, **options: Any) -> LossTerm:
    """By alpha divergences between probabilities of labels.

    Args:
        method: that asks for it, for a sentence.
        options: see :class:`~nas.tasks.AlphaDistillation`.

    Raises:
        UsageError: the task has no such probabilities.
    """
    if not isinstance(problem.task, Categorical):
        raise UsageError(
            f"method '{method}' compares probabilities of labels, which {problem.task.name} does not have; use bignas."
        )
    return AlphaDistillation(**options)
