"""Few-shot NAS: the space is split by the candidates of one choice, and each part has its own weights."""

from typing import cast

from nas.methods.bank_steps import BankSteps
from nas.methods.levels import LearntIn, in_levels, with_gates
from nas.methods.method import Method
from nas.problem import Problem
from nas.sharing import FewShot
from nas.training import EveryCandidate, Phase, Restart

__all__ = ["FEW_SHOT", "few_shot_of"]


def _phases(problem: Problem, steps: BankSteps = "total", restart: Restart = "none") -> list[Phase]:
    """One net for all, then one for each candidate, with a schedule of their own.

    Args:
        steps: ``total``, the nets together train for ``training.epochs``; or ``per-bank``, each for its part of them,
            as published.
        restart: whether nets begin with the weights of the one that was there (``none``, as published) or anew.
    """
    return _levels(problem, steps, restart)


def _levels(
    problem: Problem, steps: BankSteps, restart: Restart, gates: Method | None = None, learnt_in: LearntIn = "all"
) -> list[Phase]:
    scheme, supernet = cast(FewShot, problem.supernet.sharing), problem.supernet
    return in_levels(
        problem,
        lambda distances: EveryCandidate(supernet, distances),
        scheme,
        repeats=scheme.repeats,
        shares=[scheme.split_at],
        banks=[1, scheme.models],
        steps=steps,
        restart=restart,
        gates=gates,
        learnt_in=learnt_in,
    )


FEW_SHOT = Method(
    name="few-shot",
    family="mixture",
    paper="Zhao et al., Few-shot neural architecture search, 2021",
    summary="one uniform path a step; halfway the weights are copied for each candidate of a choice; retrained",
    phases=_phases,
    fewest_epochs=2,
    sharing=FewShot,
    retrain="fresh",
)


def few_shot_of(name: str) -> Method:
    """Few-shot supernets that learn gates, such as few-shot:darts: each part of the space has its own."""
    return with_gates(
        FEW_SHOT, name, _levels, family="differentiable", paper="Zhao et al., Few-shot neural architecture search, 2021"
    )
