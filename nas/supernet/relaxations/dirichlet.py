"""DrNAS: mixture weights drawn from a Dirichlet distribution that learns."""

import torch
from torch import Tensor

from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation

__all__ = ["Dirichlet"]


class Dirichlet(Relaxation):
    """Mixes all options with the weights of a sample of ``Dirichlet(elu(logits) + 1)`` (DrNAS, Chen et al., 2021, as
    in TangleNAS, Sukthanker et al., 2024).

    The sample is differentiable in the logits (pathwise derivatives). The probabilities are the mean of the
    distribution. DrNAS' penalty on the distance to a uniform Dirichlet is left out, as in TangleNAS.
    """

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        sample = torch.distributions.Dirichlet(_concentration(logits)).rsample()
        return GateWeights(sample, tuple(range(len(logits))))

    def probabilities(self, decision: Decision, logits: Tensor) -> Tensor:
        concentration = _concentration(logits)
        return concentration / concentration.sum()


def _concentration(logits: Tensor) -> Tensor:
    """``elu(logits) + 1``, written so that it does not round to zero where logits are low."""
    return logits.clamp(max=0).exp() + logits.relu()
