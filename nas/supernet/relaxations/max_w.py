"""sharpDARTS: the leading option always counts in full."""

from torch import Tensor

from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation

__all__ = ["MaxW"]


class MaxW(Relaxation):
    """Mixes all options with the weights ``1 - max(w) + w``, where ``w = softmax(logits)`` (sharpDARTS, Hundt et al.,
    2019, Max-W regularisation).

    The leading option has weight one, to the last bit, and so no gradient of its own; the others, which would fall
    behind, get a larger share of the signal than in DARTS.

    Args:
        detach: lets no gradient through ``max(w)``, as a comment in the published code intends; the code itself lets
            it through, and so does the default. With it every option has the gradient of DARTS.
    """

    def __init__(self, detach: bool = False) -> None:
        self.detach = detach

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        weights = logits.softmax(-1)
        largest = weights.max()
        return GateWeights(1 + (weights - (largest.detach() if self.detach else largest)), tuple(range(len(logits))))
