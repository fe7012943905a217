"""SD-DARTS: the supernet is distilled from its own earlier versions; reconstructed from the abstract."""

from nas.methods.differentiable import check_one_bank, differentiable_method, relaxed_phases, without_zero
from nas.problem import Problem
from nas.supernet import Relaxed
from nas.supernet.relaxations import Softmax
from nas.training import LossTerm, Phase, SelfDistillation

__all__ = ["SD_DARTS"]


def _phases(problem: Problem) -> list[Phase]:
    """The weights learn from the mean prediction of three snapshots, of which one is taken each epoch."""
    check_one_bank(problem, "sd-darts")
    steps = problem.bilevel[0].steps(problem.recipe.batch_size)

    def objective(relaxed: Relaxed) -> list[LossTerm]:
        return [problem.loss(), SelfDistillation(problem.supernet, problem.task, steps, relaxed)]

    return relaxed_phases(problem, Softmax(), rule=without_zero, objective=objective)


SD_DARTS = differentiable_method(
    "sd-darts",
    paper="Zhu et al., Improving differentiable architecture search via self-distillation, 2023 (reconstructed)",
    summary="softmax mixture distilled from its own earlier versions, which vote",
    phases=_phases,
)
