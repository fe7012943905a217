"""The zero-cost proxies by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nas.parts import Slot

if TYPE_CHECKING:
    from torch import nn

    from nas.evaluation.zero_cost.probe import Probe

__all__ = ["PROXIES"]

_HERE = "nas.evaluation.zero_cost"

PROXIES: Slot[Callable[["nn.Module", "Probe"], float]] = Slot(
    "proxy",
    "nas.proxies",
    {
        "params": f"{_HERE}.size:params",
        "flops": f"{_HERE}.size:flops",
        "grad-norm": f"{_HERE}.gradients:gradient_norm",
        "snip": f"{_HERE}.gradients:snip",
        "grasp": f"{_HERE}.gradients:grasp",
        "synflow": f"{_HERE}.synflow:synaptic_flow",
        "jacob-cov": f"{_HERE}.jacobian:jacobian_covariance",
        "naswot": f"{_HERE}.activation_codes:naswot",
        "zico": f"{_HERE}.zico:gradient_consistency",
        "zen": f"{_HERE}.zen:zen_score",
        "length-distortion": f"{_HERE}.curve_length:length_distortion",
        "deepmad": f"{_HERE}.entropy:multi_scale_entropy",
    },
    callable,
    "a function of an untrained network and a nas.evaluation.zero_cost.Probe that returns a number, more being better",
)
