"""DropNAS: options drop out at random, those with weights and those without apart."""

import torch
from torch import Tensor

from nas.errors import UsageError
from nas.supernet.relaxations.relaxation import Decision, GateWeights, Relaxation

__all__ = ["GroupDropout"]


class GroupDropout(Relaxation):
    """Mixes the options that were not dropped, by a softmax over them (DropNAS, Hong et al., 2020).

    Options with weights and options without are two groups. Each option of a group ``G`` is dropped with probability
    ``rate ** (1 / |G|)``, and all of a group are drawn anew until one is kept. The probabilities of those dropped do
    not move in the step (alpha-adjust). With rate zero it is :class:`~nas.supernet.relaxations.softmax.Softmax`.

    Args:
        rate: the probability that a group would be lost, were it not drawn anew.

    Raises:
        UsageError: a rate below zero, or of one and more.
    """

    restores_idle = True

    def __init__(self, rate: float = 3e-5) -> None:
        if not 0 <= rate < 1:
            raise UsageError(f"rate={rate} is no rate of group dropout; give a number from 0 to below 1, such as 3e-5.")
        self.rate = rate

    def drop_probability(self, size: int) -> float:
        """That with which each option of a group of that size is dropped."""
        return float(self.rate ** (1 / size))

    def gate(self, decision: Decision, logits: Tensor, progress: float) -> GateWeights:
        kept = torch.zeros(len(logits), dtype=torch.bool)
        for kind in set(decision.parameter_free):
            group = torch.tensor([free is kind for free in decision.parameter_free])
            kept[group] = self._keep(int(group.sum()))
        values = logits.masked_fill(~kept.to(logits.device), -torch.inf).softmax(-1)
        return GateWeights(values, tuple(kept.nonzero().flatten().tolist()))

    def _keep(self, size: int) -> Tensor:
        """Which options ``[size]`` of a group stay, one at least."""
        while True:
            kept = torch.rand(size) >= self.drop_probability(size)
            if kept.any():
                return kept
