"""SortedNet: nested subnets at random, with their gradients accumulated."""

from nas.methods.kinds import check_nested
from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Nested
from nas.training import Phase, SupernetStep

__all__ = ["SORTEDNET"]


def _phases(problem: Problem) -> list[Phase]:
    check_nested(problem.supernet, "sortednet")
    paths = Nested(problem.supernet.space, problem.seed)
    return [problem.phase(SupernetStep(problem.supernet, paths, [problem.loss()]))]


SORTEDNET = Method(
    name="sortednet",
    family="nested",
    paper="Valipour et al., SortedNet: A scalable and generalized framework for training modular networks, 2023",
    summary="four random nested subnets a step learn from labels, every other step the largest is one of them",
    phases=_phases,
)
