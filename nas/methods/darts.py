"""DARTS: a softmax mixture of all operations, learnt on held-out images."""

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_phases, without_zero
from nas.methods.method import Method
from nas.supernet.relaxations import Softmax

__all__ = ["DARTS"]

DARTS = Method(
    name="darts",
    family="differentiable",
    paper="Liu et al., DARTS: Differentiable architecture search, 2019",
    summary="softmax mixture of all operations; weights and architecture parameters in turn, first order",
    phases=lambda problem: relaxed_phases(problem, Softmax(), rule=without_zero),
    recipe=RECIPE,
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
