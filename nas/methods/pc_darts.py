"""PC-DARTS: mixtures on a part of the channels, edges that compete."""

from nas.errors import UsageError
from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_phases, without_zero
from nas.methods.method import Method
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
    # Spaces that keep all edges of a cell (nasbench201, toy_cell) have no weights of edges to learn.
    return relaxed_phases(problem, Softmax(), rule=without_zero, subsets=Softmax())


PC_DARTS = Method(
    name="pc-darts",
    family="differentiable",
    paper="Xu et al., PC-DARTS: Partial channel connections for memory-efficient architecture search, 2020",
    summary="softmax mixture on a quarter of the channels, the others pass by; weights of edges learn too",
    phases=_phases,
    recipe=RECIPE,
    learning={"warmup": 0.3},
    search_args={**SEARCH_ARGS, "partial_channels": 4},
    retrain="fresh",
    settings=SETTINGS,
)
