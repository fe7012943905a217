"""DARTS: a softmax mixture of all operations, learnt on held-out images."""

from nas.methods.differentiable import differentiable_method, relaxed_phases, without_zero
from nas.supernet.relaxations import Softmax

__all__ = ["DARTS"]

DARTS = differentiable_method(
    "darts",
    paper="Liu et al., DARTS: Differentiable architecture search, 2019",
    summary="softmax mixture of all operations; weights and architecture parameters in turn, first order",
    phases=lambda problem: relaxed_phases(problem, Softmax(), rule=without_zero),
)
