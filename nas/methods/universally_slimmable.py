"""Universally slimmable networks: any width, taught by the largest."""

from nas.methods.method import Method
from nas.methods.sandwich import taught_by_largest
from nas.methods.slimmable import slimmable_paths
from nas.problem import Problem
from nas.training import Phase, SupernetStep

__all__ = ["UNIVERSALLY_SLIMMABLE"]


def _phases(problem: Problem, random: int = 2) -> list[Phase]:
    """
    Args:
        random: widths of a step between the largest and the smallest.
    """
    paths = slimmable_paths(problem, "universally-slimmable", random)
    objective = taught_by_largest(problem, problem.task.distillation())
    return [problem.phase(SupernetStep(problem.supernet, paths, objective))]


UNIVERSALLY_SLIMMABLE = Method(
    name="universally-slimmable",
    family="nested",
    paper="Yu and Huang, Universally slimmable networks and improved training techniques, 2019",
    summary="the largest network learns from labels; the smallest and two widths, the same in all layers, from it",
    phases=_phases,
)
