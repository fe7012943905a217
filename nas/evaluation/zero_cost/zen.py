"""The proxy from how much a disturbance of the input moves the features."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.errors import UsageError
from nas.evaluation.zero_cost.probe import Probe

__all__ = ["zen_score"]

_DISTURBANCE = 0.01


def zen_score(network: nn.Module, probe: Probe) -> float:
    """The logarithm of how far features move, with what batch norm took out of it (Zen-NAS, Lin et al., 2021).

    Weights and inputs are standard normal; the features are what enters the last pooling to one position.

    Raises:
        UsageError: the network has no such pooling, or reads no images.
    """
    inputs = probe.batches[0][0]
    pools = [module for module in network.modules() if isinstance(module, nn.AdaptiveAvgPool2d)]
    if not pools or not inputs.is_floating_point():
        raise UsageError("proxy 'zen' reads the features of images before an AdaptiveAvgPool2d, which is not there.")
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0  # what is read afterwards is of this pass alone
    _draw_weights(network, probe.seed)
    first, second = probe.normal(2, *inputs.shape)
    features: list[Tensor] = []
    handle = pools[-1].register_forward_pre_hook(lambda _, entering: features.append(entering[0]))
    with torch.no_grad():
        network(first + _DISTURBANCE * second)
        network(first)
    handle.remove()
    moved = (features[0] - features[1]).abs().flatten(1).sum(1).mean().log()
    scales = [norm.running_var.mean().sqrt().log() for norm in norms if norm.running_var is not None]
    return float(sum(scales, moved))


def _draw_weights(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
