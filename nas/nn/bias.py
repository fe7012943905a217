"""A bias that an architecture may leave out."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nas.nn.channels import NOTHING, Ranges
from nas.nn.gate import Gates, push_forward
from nas.space import choices_of, evaluate, largest

__all__ = ["Bias", "bias_of", "may_be_there"]


@dataclass(frozen=True, eq=False)
class Bias:
    """What a layer does with its bias.

    Attributes:
        ranges: those in use; none if it is left out.
        weight: a scalar, the weight of the gates under which it is there; None under a one-hot gate.
    """

    ranges: Ranges
    weight: Tensor | None = None

    @property
    def is_there(self) -> bool:
        return self.ranges != NOTHING

    def apply(self, part: Tensor) -> Tensor:
        """The bias that is added, given the part of the parameter that is in use."""
        return part if self.weight is None else part * self.weight


def may_be_there(argument: Any) -> bool:
    """Whether any architecture has the bias, so that it needs a parameter."""
    return bool(largest(argument))


def bias_of(argument: Any, ranges: Ranges, gates: Gates) -> Bias:
    """The bias of channels under gates, given the argument ``bias``, a truth value or a choice of such."""
    gate = push_forward(lambda values: bool(evaluate(argument, values)), choices_of(argument), gates)
    if not any(gate.values):
        return Bias(NOTHING)
    if gate.weights is None:
        return Bias(ranges)
    return Bias(ranges, gate.weights[[position for position, there in enumerate(gate.values) if there]].sum())
