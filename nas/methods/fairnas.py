"""FairNAS: every candidate is trained equally often."""

from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Fair
from nas.training import Phase, SupernetStep

__all__ = ["FAIRNAS"]


def _phases(problem: Problem) -> list[Phase]:
    paths = Fair(problem.supernet.space, problem.seed)
    return [problem.phase(SupernetStep(problem.supernet, paths, [problem.loss()]))]


FAIRNAS = Method(
    name="fairnas",
    family="single-path",
    paper="Chu et al., FairNAS: Rethinking evaluation fairness of weight sharing neural architecture search, 2021",
    summary="paths that together train each candidate equally often, gradients summed; retrained from fresh weights",
    phases=_phases,
    retrain="fresh",
)
