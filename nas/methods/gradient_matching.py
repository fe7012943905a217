"""Gradient matching: the space is split where the gradients of candidates disagree."""

from typing import cast

from nas.methods.bank_steps import BankSteps
from nas.methods.levels import in_levels
from nas.methods.method import Method
from nas.problem import Problem
from nas.sharing import GradientMatching
from nas.training import ByGradients, Phase, Restart

__all__ = ["GRADIENT_MATCHING"]


def _phases(problem: Problem, steps: BankSteps = "total", restart: Restart = "none") -> list[Phase]:
    """One net for all, then more at each level, which has a schedule of its own.

    Args:
        steps: ``total``, all nets together train for ``training.epochs``; or ``per-bank``, each net of a level for the
            level's part of them, as published.
        restart: which nets begin anew and not with the weights of the one that was there: ``none``, those of the
            ``final`` level, as in the published commands, or ``all``.
    """
    scheme, supernet = cast(GradientMatching, problem.supernet.sharing), problem.supernet
    return in_levels(
        problem,
        lambda distances: ByGradients(supernet, distances),
        scheme,
        repeats=scheme.repeats,
        shares=scheme.split_at,
        banks=[scheme.groups**level for level in range(len(scheme.split_at) + 1)],
        steps=steps,
        restart=restart,
    )


GRADIENT_MATCHING = Method(
    name="gradient-matching",
    family="mixture",
    paper="Hu et al., Generalizing few-shot NAS with gradient matching, 2022",
    summary="one uniform path a step; weights are copied for candidates whose gradients disagree; retrained",
    phases=_phases,
    fewest_epochs=3,
    sharing=GradientMatching,
    retrain="fresh",
)
