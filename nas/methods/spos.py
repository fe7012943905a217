"""Single-path one-shot: one uniformly drawn path in every step."""

from nas.methods.method import Method
from nas.methods.stages import in_stages
from nas.problem import Problem
from nas.sampling import Uniform
from nas.training import Phase, SupernetStep

__all__ = ["SPOS", "uniform_phases"]


def uniform_phases(problem: Problem, largest_first: float = 0.0, double_batches: float = 0.0) -> list[Phase]:
    """One uniform path a step learns from labels.

    Args:
        largest_first, double_batches: shares of the epochs in which training differs, see
            :func:`nas.methods.stages.in_stages`.
    """
    paths = Uniform(problem.drawn_from, problem.seed)
    phase = problem.phase(SupernetStep(problem.supernet, paths, [problem.loss()]))
    return in_stages(problem, phase, largest_first=largest_first, double_batches=double_batches)


SPOS = Method(
    name="spos",
    family="single-path",
    paper="Guo et al., Single path one-shot neural architecture search with uniform sampling, 2020",
    summary="one uniform path a step; the chosen network is trained again from fresh weights",
    phases=uniform_phases,
    can_be_bounded=True,
    retrain="fresh",
)
