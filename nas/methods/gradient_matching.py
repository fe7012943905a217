"""Gradient matching: the space is split where the gradients of candidates disagree."""

from typing import cast

from nas.methods.bank_steps import BankSteps
from nas.methods.levels import LearntIn, in_levels, with_gates
from nas.methods.method import Method
from nas.problem import Problem
from nas.sharing import GradientMatching
from nas.training import ByGradients, Phase, Restart

__all__ = ["GRADIENT_MATCHING", "gradient_matching_of"]


def _phases(problem: Problem, steps: BankSteps = "total", restart: Restart = "none") -> list[Phase]:
    """One net for all, then more at each level, which has a schedule of its own.

    Args:
        steps: ``total``, all nets together train for ``training.epochs``; or ``per-bank``, each net of a level for the
            level's part of them, as published.
        restart: which nets begin anew and not with the weights of the one that was there: ``none``, those of the
            ``final`` level, as in the published commands, or ``all``.
    """
    return _levels(problem, steps, restart)


def _levels(
    problem: Problem, steps: BankSteps, restart: Restart, gates: Method | None = None, learnt_in: LearntIn = "all"
) -> list[Phase]:
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
        gates=gates,
        learnt_in=learnt_in,
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


def gradient_matching_of(name: str) -> Method:
    """Gradient matching with gates, such as gradient-matching:darts: each part of the space learns its own."""
    return with_gates(
        GRADIENT_MATCHING,
        name,
        _levels,
        family="differentiable",
        paper="Hu et al., Generalizing few-shot NAS with gradient matching, 2022",
    )
