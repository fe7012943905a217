"""The proxy from which units are active for which example."""

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.evaluation.zero_cost.probe import Probe

__all__ = ["naswot"]

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Hardswish)


def naswot(network: nn.Module, probe: Probe) -> float:
    """The log-determinant of how many units two examples have in the same state (NASWOT, Mellor et al., 2021).

    A unit's state is the sign of what enters its activation.

    Raises:
        UsageError: the network has no activation that is a module.
    """
    inputs = probe.batches[0][0]
    agreements = torch.zeros(len(inputs), len(inputs), dtype=torch.float64, device=inputs.device)

    def count(module: nn.Module, entering: tuple[Tensor, ...]) -> None:
        code = (entering[0].detach().flatten(1) > 0).double()
        agreements.add_(code @ code.T + (1 - code) @ (1 - code).T)

    activations = [module for module in network.modules() if isinstance(module, _ACTIVATIONS)]
    if not activations:
        raise UsageError("proxy 'naswot' reads the signs at activations, but the network has none that is a module.")
    for module in activations:
        module.register_forward_pre_hook(count)
    with torch.no_grad():
        network(inputs)
    return float(torch.linalg.slogdet(agreements).logabsdet)
