"""SortedNet: nested subnets at random, with their gradients accumulated."""

from nas.methods.kinds import check_nested
from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Nested
from nas.training import Phase, SupernetStep

__all__ = ["SORTEDNET"]


def _phases(problem: Problem, paths: int = 4, main_every: int = 2) -> list[Phase]:
    """
    Args:
        paths: subnets of a step.
        main_every: steps from one with the largest to the next.
    """
    check_nested(problem.supernet, "sortednet")
    sampler = Nested(problem.drawn_from, problem.seed, paths, main_every)
    return [problem.phase(SupernetStep(problem.supernet, sampler, [problem.loss()]))]


SORTEDNET = Method(
    name="sortednet",
    family="nested",
    paper="Valipour et al., SortedNet: A scalable and generalized framework for training modular networks, 2023",
    summary="four random nested subnets a step learn from labels, every other step the largest is one of them",
    phases=_phases,
    can_be_bounded=True,
)
