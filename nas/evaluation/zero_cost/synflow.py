"""The proxy from the flow through absolute weights."""

import torch
from torch import nn

from nas.evaluation.zero_cost.probe import Probe, weights_of, without_normalisation

__all__ = ["synaptic_flow"]


def synaptic_flow(network: nn.Module, probe: Probe) -> float:
    """The logarithm of the sum of |w dR/dw|, R the output for ones by absolute weights (SynFlow, Tanaka et al., 2020).

    Normalisation is left out, and the sum is in float64; of text the embeddings of one example stand for the ones.
    """
    network = without_normalisation(network).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    example = probe.batches[0][0][:1]
    ones = torch.ones_like(example, dtype=torch.float64) if example.is_floating_point() else example
    flow = network(ones).sum()
    weights = weights_of(network)
    gradients = torch.autograd.grad(flow, weights, allow_unused=True, materialize_grads=True)
    parts = [(weight.detach() * gradient).abs().sum() for weight, gradient in zip(weights, gradients, strict=True)]
    return float(torch.stack(parts).sum().log())
