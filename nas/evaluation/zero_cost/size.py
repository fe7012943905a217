"""How large a network is: the baseline that a proxy must beat."""

from torch import nn

from nas.evaluation.zero_cost.probe import Probe

__all__ = ["flops", "params"]


def params(network: nn.Module, probe: Probe) -> float:
    """The number of parameters."""
    return probe.costs["params"]


def flops(network: nn.Module, probe: Probe) -> float:
    """The number of floating-point operations for one example."""
    return probe.costs["flops"]
