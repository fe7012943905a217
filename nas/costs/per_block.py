"""What one block costs at the shape it gets, as numbers that a predictor can learn from."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.flop_counter import FlopCounterMode

from nas.nn.module_calls import tensors

__all__ = ["KINDS", "TOTALS", "block_costs", "columns"]

TOTALS = ("flops", "params", "bytes", "blocks")
KINDS = ("convolution", "pointwise", "depthwise", "linear", "pooling", "other")
_PER_KIND = ("calls", "flops", "bytes")
_FREE = (nn.Identity, nn.Dropout, nn.Flatten, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.ReLU, nn.ReLU6)


def columns() -> list[str]:
    """The names of what :func:`block_costs` tells, in its order."""
    return [*TOTALS, *(f"{kind} {quantity}" for kind in KINDS for quantity in _PER_KIND)]


def block_costs(block: nn.Module, inputs: Sequence[Tensor]) -> list[float]:
    """FLOPs, parameters, bytes moved, whether it does anything, and calls, FLOPs and bytes by kind of layer.

    Bytes moved are those of the layers' inputs, outputs and weights in float32. Layers that a runtime folds into
    their neighbour (batch norm, ReLU) count towards nothing but parameters.

    Args:
        block: a plain module on the meta device, in eval mode.
        inputs: what it is called with, on the meta device, with batch 1.
    """
    sums = {kind: dict.fromkeys(_PER_KIND, 0.0) for kind in KINDS}
    with torch.inference_mode(False), torch.no_grad(), FlopCounterMode(display=False) as counter:
        hooks = [hook for layer in _layers(block) for hook in _watch(layer, counter, sums[_kind(layer)])]
        block(*inputs)
        for hook in hooks:
            hook.remove()
    calls, flops = sum(each["calls"] for each in sums.values()), float(counter.get_total_flops())
    totals = {
        "flops": flops,
        "params": float(sum(each.numel() for each in block.parameters())),
        "bytes": sum(each["bytes"] for each in sums.values()),
        "blocks": float(calls > 0 or flops > 0),
    }
    return [*(totals[name] for name in TOTALS), *(sums[kind][name] for kind in KINDS for name in _PER_KIND)]


def _layers(block: nn.Module) -> Iterator[nn.Module]:
    """The modules without children that a runtime executes as operations of their own."""
    return (each for each in block.modules() if not any(each.children()) and not isinstance(each, _FREE))


def _watch(layer: nn.Module, counter: FlopCounterMode, sums: dict[str, float]) -> Iterator[Any]:
    def before(_: nn.Module, arguments: Any) -> None:
        sums["flops"] -= counter.get_total_flops()

    def after(_: nn.Module, arguments: Any, output: Any) -> None:
        sums["calls"] += 1
        sums["flops"] += counter.get_total_flops()
        sums["bytes"] += 4 * sum(each.numel() for each in (*tensors((arguments, output)), *layer.parameters()))

    yield layer.register_forward_pre_hook(before)
    yield layer.register_forward_hook(after)


def _kind(layer: nn.Module) -> str:
    if isinstance(layer, _ConvNd):
        if layer.groups > 1:
            return "depthwise"
        return "pointwise" if set(layer.kernel_size) == {1} else "convolution"
    if isinstance(layer, nn.Linear):
        return "linear"
    return "pooling" if "Pool" in type(layer).__name__ else "other"
