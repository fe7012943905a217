"""AttentiveNAS: the sandwich rule, its random paths at the Pareto front."""

from typing import Literal

from nas.methods.method import Method
from nas.methods.sandwich import taught_by_largest
from nas.problem import Problem
from nas.sampling import Attentive, BatchScore, CostLevels, PredictedScore
from nas.training import Phase, SupernetStep

__all__ = ["ATTENTIVENAS"]

_EXAMPLES = 128
"""Of the validation split, by which the predictor learns."""


def _phases(
    problem: Problem,
    score: Literal["predicted", "batch"] = "predicted",
    focus: Literal["best", "worst"] = "best",
    candidates: int = 3,
    random: int = 2,
    levels: int = 10,
) -> list[Phase]:
    """With dropout and drop path, which regularise the published largest network, left to the space.

    Args:
        score: by a predictor of validation losses, or by the loss on the batch of the step, which takes a pass for each
            candidate.
        focus: whether the best or the worst candidate of a level is trained.
        candidates: of each random path.
        random: paths of a step between the largest and the smallest.
        levels: of FLOPs, equal parts of their range.
    """
    supernet, space, seed = problem.supernet, problem.drawn_from, problem.seed
    batch_score = BatchScore(supernet, problem.task.loss())
    predicted = PredictedScore(space, batch_score, next(iter(problem.data.validation.batches(_EXAMPLES))), seed)
    paths = Attentive(
        space,
        seed,
        CostLevels(space, problem.cost_table, levels),
        predicted if score == "predicted" else batch_score,
        random=random,
        candidates=candidates,
        focus=focus,
    )
    step = SupernetStep(supernet, paths, taught_by_largest(problem, problem.task.distillation()))
    return [problem.phase(step, [predicted] if score == "predicted" else [])]


ATTENTIVENAS = Method(
    name="attentivenas",
    family="sandwich",
    paper="Wang et al., AttentiveNAS: Improving neural architecture search via attentive sampling, 2021",
    summary="sandwich rule whose random paths are the best, by a predictor, of several with as many FLOPs",
    phases=_phases,
    can_be_bounded=True,
)
