"""Fresh weights for a network that exists."""

import torch
from torch import nn

from nas.errors import UsageError
from nas.nn.parameter import Parameter

__all__ = ["initialise"]


def initialise(network: nn.Module, seed: int) -> nn.Module:
    """Gives every layer fresh weights by its own ``reset_parameters``, as if it had just been made.

    Raises:
        UsageError: a module holds parameters but has no ``reset_parameters``.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if reset is not None:
                reset()
            elif not isinstance(module, Parameter) and _holds_parameters(module):
                raise UsageError(
                    f"{type(module).__name__} holds parameters but has no reset_parameters(), so a network with it "
                    "cannot have fresh weights; write that method."
                )
    return network


def _holds_parameters(module: nn.Module) -> bool:
    beside = (each for each in module.children() if isinstance(each, Parameter))
    return next(module.parameters(recurse=False), None) is not None or next(beside, None) is not None
