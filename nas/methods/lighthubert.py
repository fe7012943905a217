"""LightHuBERT: the largest network first, then subnets that learn its features and outputs."""

from nas.errors import UsageError
from nas.methods.feature_distillation import FeatureDistillation
from nas.methods.frozen_teacher import FrozenTeacher
from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Nested
from nas.training import LossTerm, Phase, SupernetStep

__all__ = ["LIGHTHUBERT"]


def _phases(problem: Problem, first: float = 0.5, paths: int = 2, features: float = 1.0) -> list[Phase]:
    """As published, but that the largest network learns from targets and teaches itself, where a trained HuBERT teaches
    both times; each phase has a schedule of its own, and the largest stays among the subnets. Where only architectures
    near a bound are trained, that is the largest of them, which learns from the largest of all like the others.

    Args:
        first: the share of the epochs in which the largest network is trained.
        paths: subnets of a step; every other step the largest is one of them.
        features: weight of the loss of features, beside that of outputs.
    """
    supernet, seed, epochs = problem.supernet, problem.seed, problem.recipe.epochs
    if epochs < 2 or not 0 < first < 1:
        raise UsageError(
            f"lighthubert trains the largest network and then its subnets, but training.epochs is {epochs}, of which a "
            f"share of {first:g} is for the first; give two epochs or more, and a share between 0 and 1."
        )
    count = min(max(1, round(first * epochs)), epochs - 1)
    teacher = FrozenTeacher(problem)
    taught: list[LossTerm] = [teacher, FeatureDistillation(supernet, teacher.network, features)]
    alone = SupernetStep(supernet, Nested(supernet.space, seed, paths=1, main_every=1), [problem.loss()])
    together = SupernetStep(supernet, Nested(problem.drawn_from, seed, paths), taught)
    return [
        Phase(step, problem.data.train, problem.recipe.model_copy(update={"epochs": part}), problem.augment, name=name)
        for name, step, part in (("largest", alone, count), ("subnets", together, epochs - count))
    ]


LIGHTHUBERT = Method(
    name="lighthubert",
    family="nested",
    paper="Wang et al., LightHuBERT: Lightweight and configurable speech representation learning, 2022",
    summary="the largest network is trained first; then random subnets learn its features and outputs; no retraining",
    phases=_phases,
    fewest_epochs=2,
    can_be_bounded=True,
)
