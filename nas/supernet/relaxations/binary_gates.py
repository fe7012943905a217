"""ProxylessNAS: one path runs, its binary gate learns."""

from torch import Tensor

from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation
from nas.supernet.relaxations.sampling import draw, spread, straight_through

__all__ = ["BinaryGatePairs", "BinaryGates"]


class BinaryGates(Relaxation):
    """Runs one option ``k`` drawn from ``p = softmax(logits)``; all gates learn (ProxylessNAS, Cai et al., 2019,
    equation 4; mode ``full_v2`` of the code).

    The gate is ``onehot(k) - stopgrad(p) + p``, so that ``dL/dlogit_i = sum_j dL/dg_j * p_j * (delta_ij - p_i)``, with
    ``dL/dg_j`` from the output that option ``j`` would have given, computed in the backward pass alone: the memory of
    one path. Unlike in the published code a decision whose sample is a zero operation learns as well.
    """

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        (position,) = draw(logits)
        return GateWeights(straight_through(logits.softmax(-1), position), (position,), "outputs")


class BinaryGatePairs(BinaryGates):
    """Compares two options at a time (ProxylessNAS, Cai et al., 2019, section 3.2.2; mode ``two`` of the code).

    A step of the architecture parameters draws two options from ``softmax(logits)`` without replacement, and one of
    the two from the softmax over the two: that has gate one, the other gate zero, and both run and learn. The others
    keep their probabilities. A step of the weights runs one option drawn from all, as :class:`BinaryGates`.

    Unlike in the published code costs expect the probabilities over all options, not over the two.
    """

    restores_idle = True

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        pair = draw(logits, min(2, len(logits)))
        (first,) = draw(logits[pair])
        gates = straight_through(logits[pair].softmax(-1), first)
        return GateWeights(spread(gates, pair, len(logits)), tuple(pair))

    def weight_gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        """The gate of a step of the weights: of one option drawn from all."""
        return super().gate(decision, logits, progress)
