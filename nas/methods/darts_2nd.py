"""Second-order DARTS: the architecture gradient takes the next step of the weights into account."""

from nas.methods.differentiable import differentiable_method, relaxed_phases, without_zero
from nas.supernet.relaxations import Softmax
from nas.training import unrolled

__all__ = ["DARTS_2ND"]

DARTS_2ND = differentiable_method(
    "darts-2nd",
    paper="Liu et al., DARTS: Differentiable architecture search, 2019",
    summary="softmax mixture; the architecture gradient takes the next step of the weights into account, second order",
    phases=lambda problem: relaxed_phases(problem, Softmax(), rule=without_zero, estimator=unrolled),
)
