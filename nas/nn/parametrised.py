"""Tensors of a layer that are computed from others: parametrised, pruned, weight or spectral norm of either style.

``torch.nn.utils.parametrize`` turns such a tensor into a property and keeps what it is made of in the child
``parametrizations``. ``torch.nn.utils.prune``, and ``weight_norm`` and ``spectral_norm`` of the old style, write it
into an attribute before each forward pass and keep what it is made of beside it.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from nas.nn.modes import evaluating
from nas.nn.tree import own_tensors

__all__ = ["PARAMETRIZATIONS", "computed", "is_writer", "recompute"]

PARAMETRIZATIONS = "parametrizations"
"""The child in which torch keeps the originals of parametrised tensors."""

Holders = list[tuple[nn.Module, str]]
"""Modules and the names of parameters and buffers that they hold."""

_ENDINGS = ("orig", "mask", "g", "v", "u")


def computed(module: nn.Module) -> dict[str, Holders]:
    """Name of each computed tensor → where what it is made of is held."""
    found: dict[str, Holders] = {}
    for hook in _writers(module):
        name = hook._tensor_name if isinstance(hook, BasePruningMethod) else hook.name
        held = {**module._parameters, **module._buffers}
        found[name] = [(module, f"{name}_{ending}") for ending in _ENDINGS if held.get(f"{name}_{ending}") is not None]
    if is_parametrized(module):
        for name, inside in module.get_submodule(PARAMETRIZATIONS).named_children():
            found[name] = [(owner, each) for owner in inside.modules() for each, _ in own_tensors(owner)]
    return found


def is_writer(hook: Any) -> bool:
    """Whether a forward pre-hook is one of torch's that write a computed tensor."""
    return isinstance(hook, BasePruningMethod | WeightNorm | SpectralNorm)


def recompute(module: nn.Module) -> None:
    """Writes the attributes that hooks would write before the next pass in evaluation mode, without a graph.

    So they are up to date, and can be copied, which torch refuses for what has a graph.
    """
    for each in module.modules():
        if writers := _writers(each):
            with torch.no_grad(), evaluating(each):  # spectral norm does not go on with its power iteration
                for hook in writers:
                    hook(each, None)


def _writers(module: nn.Module) -> list[Any]:
    return [hook for hook in module._forward_pre_hooks.values() if is_writer(hook)]
