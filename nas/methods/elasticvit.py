"""ElasticViT: paths of one level of FLOPs a step, a small one taught by the others, and a memory of good ones."""

from nas.methods.method import Method
from nas.methods.sandwich import alpha_distillation
from nas.problem import Problem
from nas.sampling import CostLevels, Neighbouring
from nas.training import Phase, SupernetStep

__all__ = ["ELASTICVIT"]


def _phases(problem: Problem, random: int = 3, levels: int = 8, memory: int = 50) -> list[Phase]:
    """As published, but that the random paths learn from labels; there two large trained networks teach them.

    Args:
        random: paths of a step before the small one.
        levels: of FLOPs, equal parts of their range.
        memory: architectures that each level remembers.
    """
    distillation = alpha_distillation(problem, "elasticvit", teacher="random", roles=("small",))
    space = problem.drawn_from
    paths = Neighbouring(
        space, problem.seed, CostLevels(space, problem.cost_table, levels), random=random, memory=memory
    )
    return [problem.phase(SupernetStep(problem.supernet, paths, [problem.loss(roles=("random",)), distillation]))]


ELASTICVIT = Method(
    name="elasticvit",
    family="sandwich",
    paper="Tang et al., ElasticViT: Conflict-aware supernet training for deploying fast vision transformer on diverse "
    "mobile devices, 2023",
    summary="paths of one level of FLOPs, which moves little; the mean of their outputs teaches a small one",
    phases=_phases,
    can_be_bounded=True,
    recipe={"optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.05},
)
