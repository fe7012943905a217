"""DARTS: every option, weighted by its probability."""

from torch import Tensor

from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation

__all__ = ["Softmax"]


class Softmax(Relaxation):
    """Mixes all options with the weights ``softmax(logits)`` (DARTS, Liu et al., 2019, equation 2)."""

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        return GateWeights(logits.softmax(-1), tuple(range(len(logits))))
