"""Single-path one-shot: one uniformly drawn path in every step."""

from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Uniform
from nas.training import Phase, SupernetStep

__all__ = ["SPOS", "uniform_phases"]


def uniform_phases(problem: Problem) -> list[Phase]:
    """One uniform path a step learns from labels."""
    paths = Uniform(problem.drawn_from, problem.seed)
    return [problem.phase(SupernetStep(problem.supernet, paths, [problem.loss()]))]


SPOS = Method(
    name="spos",
    family="single-path",
    paper="Guo et al., Single path one-shot neural architecture search with uniform sampling, 2020",
    summary="one uniform path a step; the chosen network is trained again from fresh weights",
    phases=uniform_phases,
    can_be_bounded=True,
    retrain="fresh",
)
