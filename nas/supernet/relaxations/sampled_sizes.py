"""TAS: two sampled sizes at a time."""

import torch
from torch import Tensor

from nas.supernet.relaxations.annealing import Temperature, checked, cosine
from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation
from nas.supernet.relaxations.sampling import draw, perturbed, spread

__all__ = ["SampledSizes"]


class SampledSizes(Relaxation):
    """Mixes two sampled options (TAS, Dong and Yang, 2019).

    With ``l = (log_softmax(logits) + Gumbel noise) / temperature`` two options are drawn from ``softmax(l)`` without
    replacement; their weights are the softmax of their two ``l``. The temperature falls along a cosine. Unlike in the
    published code no small constant is added to the probabilities, the draw needs none. Depths take
    :class:`~nas.supernet.relaxations.gumbel.Concrete` instead.

    Args:
        temperature: the first and the last.

    Raises:
        UsageError: a temperature that is not positive.
    """

    def __init__(self, temperature: Temperature = (5.0, 0.1)) -> None:
        self.temperature = checked(temperature)

    def initial(self, decision: Decision) -> Tensor:
        return 0.01 * torch.randn(len(decision.options))

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        noisy = perturbed(logits, cosine(self.temperature, progress))
        pair = draw(noisy, min(2, len(logits)))
        return GateWeights(spread(noisy[pair].softmax(-1), pair, len(logits)), tuple(pair))
