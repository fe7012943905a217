"""Few-shot NAS: the space is split by the candidates of one choice, and each part has its own weights."""

from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Uniform
from nas.sharing import FewShot
from nas.training import EveryCandidate, Phase, SupernetStep, with_cuts

__all__ = ["FEW_SHOT"]


def _phases(problem: Problem) -> list[Phase]:
    """The parts share the remaining epochs, so the training takes as long as without a split."""
    supernet = problem.supernet
    step = SupernetStep(supernet, Uniform(supernet.space, problem.seed), [problem.loss()])
    cut = EveryCandidate(supernet)
    return with_cuts(problem.phase(step), [cut.scheme.split_at], cut)


FEW_SHOT = Method(
    name="few-shot",
    family="mixture",
    paper="Zhao et al., Few-shot neural architecture search, 2021",
    summary="one uniform path a step; halfway the weights are copied for each candidate of a choice; retrained",
    phases=_phases,
    sharing=FewShot,
    retrain="fresh",
)
