"""ShiftNAS: the sandwich rule, its random paths at levels of FLOPs that still get better; reconstructed."""

from nas.methods.method import Method
from nas.methods.sandwich import taught_by_largest
from nas.problem import Problem
from nas.sampling import CostLevels, Shifting
from nas.training import Phase, SupernetStep

__all__ = ["SHIFTNAS"]


def _phases(problem: Problem, random: int = 2, levels: int = 10, uniform: float = 0.3) -> list[Phase]:
    """As published a generator that is trained too gives the architectures; here they are drawn, and searched later.

    Args:
        random: paths of a step between the largest and the smallest.
        levels: of FLOPs, equal parts of their range.
        uniform: share of the draws that goes to all levels alike.
    """
    space = problem.drawn_from
    costs = CostLevels(space, problem.cost_table, levels)
    paths = Shifting(space, problem.seed, costs, random=random, uniform=uniform)
    objective = taught_by_largest(problem, problem.task.distillation())
    return [problem.phase(SupernetStep(problem.supernet, paths, objective))]


SHIFTNAS = Method(
    name="shiftnas",
    family="sandwich",
    paper="Zhang et al., ShiftNAS: Improving one-shot NAS via probability shift, 2023 (reconstructed)",
    summary="sandwich rule; random paths go to the levels of FLOPs whose losses still fall",
    phases=_phases,
    can_be_bounded=True,
)
