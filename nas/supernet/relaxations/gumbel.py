"""GDAS and SNAS: gates sampled through Gumbel noise, hard and soft."""

from torch import Tensor

from nas.supernet.relaxations.annealing import Annealing, Temperature, checked, linear
from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation
from nas.supernet.relaxations.sampling import perturbed, straight_through

__all__ = ["Concrete", "GumbelStraightThrough"]


class GumbelStraightThrough(Relaxation):
    """Runs one sampled option; its gate has the gradient of the relaxed sample (GDAS, Dong and Yang, 2019).

    With ``p = softmax((log_softmax(logits) + Gumbel noise) / temperature)`` and ``k`` its largest entry the gate is
    ``onehot(k) - stopgrad(p) + p``. The temperature falls linearly.

    Unlike in the published code the noise alone is drawn anew where it is not finite, so that logits which are not
    finite show as such instead of being drawn for ever.

    Args:
        temperature: the first and the last.
        ghost_terms: the options that do not run get a gradient as if each had given ones, as published; it is not
            the gradient of the mixture. Without, only the gate of the one that ran carries a gradient.

    Raises:
        UsageError: a temperature that is not positive.
    """

    def __init__(self, temperature: Temperature = (10.0, 0.1), ghost_terms: bool = True) -> None:
        self.temperature, self.ghost_terms = checked(temperature), ghost_terms

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        sample = perturbed(logits, linear(self.temperature, progress)).softmax(-1)
        position = int(sample.argmax())
        return GateWeights(straight_through(sample, position), (position,), "ones" if self.ghost_terms else "none")


class Concrete(Relaxation):
    """Mixes all options with the weights of a relaxed sample (SNAS, Xie et al., 2019; TAS, Dong and Yang,
    2019, for depths).

    The weights are ``softmax((log_softmax(logits) + Gumbel noise) / temperature)``: near uniform while it is hot, near
    one-hot when it is cold. SNAS names no exact schedule; the default ends where its text does.

    Args:
        temperature: the first and the last.
        anneal: how it falls from the one to the other; TAS takes (5, 0.1) and
            :func:`~nas.supernet.relaxations.annealing.cosine`.

    Raises:
        UsageError: a temperature that is not positive.
    """

    def __init__(self, temperature: Temperature = (1.0, 0.03), anneal: Annealing = linear) -> None:
        self.temperature, self.anneal = checked(temperature), anneal

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        sample = perturbed(logits, self.anneal(self.temperature, progress)).softmax(-1)
        return GateWeights(sample, tuple(range(len(logits))))
