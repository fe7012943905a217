"""DARTS of second order: the architecture gradient sees one step of the weights ahead."""

from nas.methods.differentiable import RECIPE, SEARCH_ARGS, SETTINGS, relaxed_phases, without_zero
from nas.methods.method import Method
from nas.supernet.relaxations import Softmax
from nas.training import unrolled

__all__ = ["DARTS_2ND"]

DARTS_2ND = Method(
    name="darts-2nd",
    family="differentiable",
    paper="Liu et al., DARTS: Differentiable architecture search, 2019",
    summary="softmax mixture; the architecture gradient looks one step of the weights ahead, second order",
    phases=lambda problem: relaxed_phases(problem, Softmax(), rule=without_zero, estimator=unrolled),
    recipe=RECIPE,
    search_args=SEARCH_ARGS,
    retrain="fresh",
    settings=SETTINGS,
)
