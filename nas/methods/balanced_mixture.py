"""Balanced mixture of supernets: several supernets, each of which trains an equal share of the architectures."""

from dataclasses import replace
from typing import cast

from nas.methods.bank_steps import BankSteps, for_banks
from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import InBanks, Uniform
from nas.sharing import BalancedMixture
from nas.streams import Stream
from nas.training import BatchStream, Phase, Specialisation, SupernetStep, scores_of

__all__ = ["BALANCED_MIXTURE"]


def _phases(problem: Problem, steps: BankSteps = "total") -> list[Phase]:
    """One path a step, in a bank that is drawn by the scores of its architecture.

    Args:
        steps: ``total``, all banks together train for ``training.epochs``; or ``per-bank``, each does, so that the
            training takes as many times as long as there are banks (Javan et al., 2023).
    """
    supernet, seed = problem.supernet, problem.seed
    mixture = cast(BalancedMixture, supernet.sharing)
    size = problem.recipe.batch_size
    paths = InBanks(Uniform(problem.drawn_from, seed), mixture, seed)
    listeners = [
        kind(supernet, mixture, problem.task, BatchStream(problem.data.validation, size, (seed, stream)), seed)
        for kind, stream in ((scores_of, Stream.SCORE_BATCHES), (Specialisation, Stream.COMPARISON_BATCHES))
    ]
    phase = problem.phase(SupernetStep(supernet, paths, [problem.loss()]), listeners)
    return [replace(phase, recipe=for_banks(problem.recipe, steps, mixture.banks))]


BALANCED_MIXTURE = Method(
    name="balanced-mixture",
    family="mixture",
    paper="Javan et al., Balanced mixture of supernets for learning the CNN pooling architecture, 2023",
    summary="one uniform path a step in one of several supernets, drawn by validation scores and balanced; retrained",
    phases=_phases,
    can_be_bounded=True,
    recipe={"final_learning_rate": 0.001, "weight_decay": 0.0, "warmup_epochs": 0.0},
    sharing=BalancedMixture,
    retrain="fresh",
    settings={"constraints": []},
)
