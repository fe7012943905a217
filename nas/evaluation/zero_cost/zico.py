"""The proxy from how gradients differ between batches."""

import torch
from torch import nn

from nas.evaluation.zero_cost.probe import Probe

__all__ = ["gradient_consistency"]


def gradient_consistency(network: nn.Module, probe: Probe) -> float:
    """The mean of a weight's absolute gradient over its standard deviation between batches (ZiCo, Li et al., 2023).

    Summed over the weights of a layer, whose logarithms are summed; weights whose gradient never differs do not count.
    """
    found = [probe.gradients(network, batch) for batch in range(len(probe.batches))]
    score = 0.0
    for of_layer in zip(*found, strict=True):
        gradients = torch.stack(of_layer)
        spread = gradients.std(0, correction=0)
        ratio = gradients.abs().mean(0)[spread > 0] / spread[spread > 0]
        if len(ratio):
            score += float(ratio.sum().log())
    return score
