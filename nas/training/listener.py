"""What watches a training, and may steer what is not in the loss."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nas.training.context import Context

__all__ = ["Listener"]


class Listener:
    """Told what happens in a training, in the order of its steps; to be extended.

    A sharing scheme learns by one which weights suit an architecture, a loss term takes snapshots of the past, and drop
    path raises its rate. Path samplers and loss terms of a step that are listeners are told by themselves, others are
    named by their phase.

    Attributes:
        wants_gradient_norms: whether :attr:`nas.training.Context.gradient_norms` are needed, which take a copy of the
            gradients for each path.
    """

    wants_gradient_norms: bool = False

    def begin(self, context: Context) -> None:
        """Called before the first step of the phase; not where a training goes on in the middle of one."""

    def before_step(self, context: Context) -> None:
        """Called when the batch is there and before paths are drawn."""

    def after_step(self, context: Context) -> None:
        """Called when losses and gradients are there, the same in all processes, and before the optimiser moves.

        What it computes itself must be averaged by ``context.ranks`` if it decides anything, or processes that train
        together would soon draw different paths.
        """

    def state(self) -> dict[str, Tensor]:
        """What must be remembered besides model and optimiser, for checkpoints."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes what :meth:`state` gave."""

    def record(self) -> dict[str, Any]:
        """JSON values worth logging after an epoch."""
        return {}
