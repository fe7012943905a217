"""SD-DARTS: the supernet learns from its own past; reconstructed from the abstract."""

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_phases, without_zero
from nas.methods.method import Method
from nas.problem import Problem
from nas.supernet.relaxations import Softmax
from nas.training import Phase, SelfDistillation

__all__ = ["SD_DARTS"]


def _phases(problem: Problem) -> list[Phase]:
    """Three snapshots, one an epoch, vote by the mean of their predictions and teach the weights."""
    every = problem.bilevel[0].steps(problem.recipe.batch_size)
    return relaxed_phases(
        problem,
        Softmax(),
        rule=without_zero,
        objective=lambda relaxed: [
            problem.loss(),
            SelfDistillation(problem.supernet, problem.task, every, relaxed),
        ],
    )


SD_DARTS = Method(
    name="sd-darts",
    family="differentiable",
    paper="Zhu et al., Improving differentiable architecture search via self-distillation, 2023 (reconstructed)",
    summary="softmax mixture taught by votes of its own earlier versions",
    phases=_phases,
    recipe=RECIPE,
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
