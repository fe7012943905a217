"""How choices become gates while architecture parameters learn: what every relaxation has in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

__all__ = ["Decision", "GateWeights", "Relaxation"]

IdleValue = Literal["none", "ones", "outputs"]


@dataclass(frozen=True)
class Decision:
    """What a relaxation knows about a choice.

    Attributes:
        name: of the choice.
        options: what a gate gives weights to: its candidates, or the elements of a subset.
        is_zero: which options pass nothing on (:class:`~nas.nn.Zero`).
        parameter_free: which options are operations without weights to learn, zero included.
    """

    name: str
    options: tuple[Any, ...]
    is_zero: tuple[bool, ...]
    parameter_free: tuple[bool, ...]

    def among(self, positions: Sequence[int]) -> "Decision":
        """The same between some of its options."""
        options, is_zero, parameter_free = (
            tuple(each[position] for position in positions)
            for each in (self.options, self.is_zero, self.parameter_free)
        )
        return Decision(self.name, options, is_zero, parameter_free)


@dataclass(frozen=True, eq=False)
class GateWeights:
    """The gate of one decision for one step.

    Attributes:
        values: ``[options]``, differentiable in the logits.
        active: positions of the options that run.
        idle: where the weights of the others, which do not run, get their gradient from: "none" of it; "ones", as if
            each had given ones (the ghost terms of GDAS); "outputs", from their outputs, computed in the backward pass
            alone (ProxylessNAS).
    """

    values: Tensor
    active: tuple[int, ...]
    idle: IdleValue = "none"


class Relaxation:
    """Turns logits into gates, each step anew; to be extended.

    Random numbers come from torch's default generator, which is seeded for each step.

    Attributes:
        restores_idle: after a step of the architecture parameters, those of options that did not run get back what
            they were, and the others are shifted so that the probabilities of the former do not move (ProxylessNAS'
            rescaling, DropNAS' alpha-adjust).
    """

    restores_idle = False

    def initial(self, decision: Decision) -> Tensor:
        """The first logits ``[options]``."""
        return 1e-3 * torch.randn(len(decision.options))

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        """The gate of a decision.

        Args:
            logits: ``[options]``, its architecture parameters.
            progress: share of the training that is done, from 0 to 1.
        """
        raise TypeError(f"{type(self).__name__} must define gate()")

    def weight_gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        """The gate of a step in which only weights learn; :meth:`gate` by default."""
        return self.gate(decision, logits, progress)

    def probabilities(self, decision: Decision, logits: Tensor) -> Tensor:
        """How likely each option is ``[options]``, differentiable: what is derived from, and what costs expect."""
        return logits.softmax(0)
