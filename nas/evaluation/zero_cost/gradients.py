"""Proxies from the gradient of the loss by the weights."""

import torch
from torch import nn

from nas.evaluation.zero_cost.probe import Probe, weights_of

__all__ = ["gradient_norm", "grasp", "snip"]


def gradient_norm(network: nn.Module, probe: Probe) -> float:
    """The sum over layers of the Euclidean norm of the gradient (Abdelfattah et al., 2021)."""
    return sum(float(gradient.norm()) for gradient in probe.gradients(network))


def snip(network: nn.Module, probe: Probe) -> float:
    """Sensitivity of the loss to leaving weights out: the sum of |w dL/dw| (SNIP, Lee et al., 2019)."""
    pairs = zip(weights_of(network), probe.gradients(network), strict=True)
    return sum(float((weight.detach() * gradient).abs().sum()) for weight, gradient in pairs)


def grasp(network: nn.Module, probe: Probe) -> float:
    """What leaving weights out does to the gradient's norm: -w^T H g (GraSP, Wang et al., 2020)."""
    weights = weights_of(network)
    loss = probe.loss(network)
    gradients = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True, materialize_grads=True)
    curved = [gradient for gradient in gradients if gradient.requires_grad]
    length = sum(((gradient * gradient.detach()).sum() for gradient in curved), loss * 0)
    products = torch.autograd.grad(length, weights, allow_unused=True, materialize_grads=True)
    return -sum(float((weight.detach() * product).sum()) for weight, product in zip(weights, products, strict=True))
