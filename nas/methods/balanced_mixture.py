"""Balanced mixture of supernets: several supernets, each of which trains an equal share of the architectures."""

from typing import cast

from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import InBanks, Uniform
from nas.sharing import BalancedMixture
from nas.streams import Stream
from nas.training import BatchStream, Phase, SupernetStep, ValidationScores

__all__ = ["BALANCED_MIXTURE"]


def _phases(problem: Problem) -> list[Phase]:
    supernet, seed = problem.supernet, problem.seed
    mixture = cast(BalancedMixture, supernet.sharing)
    score_batches = BatchStream(problem.data.validation, problem.recipe.batch_size, (seed, Stream.SCORE_BATCHES))
    paths = InBanks(Uniform(problem.drawn_from, seed), mixture, seed)
    step = SupernetStep(supernet, paths, [problem.loss()])
    return [problem.phase(step, [ValidationScores(supernet, mixture, problem.task, score_batches)])]


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
