"""PC-DARTS: mixtures on a part of the channels, and edge weights."""

from nas.errors import UsageError
from nas.methods.differentiable import differentiable_method, relaxed_phases, without_zero
from nas.nn import PartialChannels
from nas.problem import Problem
from nas.supernet.relaxations import Softmax
from nas.training import Phase

__all__ = ["PC_DARTS"]


def _phases(problem: Problem) -> list[Phase]:
    if not any(isinstance(module, PartialChannels) for module in problem.supernet.modules()):
        raise UsageError(
            "method 'pc-darts' mixes on a part of the channels, but the space has no nas.nn.PartialChannels; use a "
            "space that takes partial_channels, such as darts, nasbench201 or toy_cell."
        )
    # Spaces that keep all edges of a cell (nasbench201, toy_cell) have no edge weights.
    return relaxed_phases(problem, Softmax(), rule=without_zero, subsets=Softmax())


PC_DARTS = differentiable_method(
    "pc-darts",
    paper="Xu et al., PC-DARTS: Partial channel connections for memory-efficient architecture search, 2020",
    summary="softmax mixture on a quarter of the channels, the others bypass it; edge weights are learnt too",
    phases=_phases,
    learning={"warmup": 0.3},
    search_args={"affine": False, "partial_channels": 4},
)
