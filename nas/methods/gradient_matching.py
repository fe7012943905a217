"""Gradient matching: the space is split where the gradients of candidates disagree."""

from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Uniform
from nas.sharing import GradientMatching
from nas.streams import Stream
from nas.training import BatchStream, ByGradients, Phase, SupernetStep, with_cuts

__all__ = ["GRADIENT_MATCHING"]


def _phases(problem: Problem) -> list[Phase]:
    """The parts share the remaining epochs, so the training takes as long as without a split, except for the comparison
    of gradients."""
    supernet, recipe, objective = problem.supernet, problem.recipe, [problem.loss()]
    batches = BatchStream(
        problem.data.train, recipe.batch_size, (problem.seed, Stream.GRADIENT_BATCHES), problem.augment
    )
    cut = ByGradients(supernet, objective, batches, problem.seed)
    step = SupernetStep(supernet, Uniform(supernet.space, problem.seed), objective)
    return with_cuts(problem.phase(step), cut.scheme.split_at, cut)


GRADIENT_MATCHING = Method(
    name="gradient-matching",
    family="mixture",
    paper="Hu et al., Generalizing few-shot NAS with gradient matching, 2022",
    summary="one uniform path a step; weights are copied for candidates whose gradients disagree; retrained",
    phases=_phases,
    sharing=GradientMatching,
    retrain="fresh",
)
