"""The targets by name: PyTorch on the CPU, ONNX Runtime, PyTorch on a CUDA GPU.

Eager PyTorch is no proxy for ONNX Runtime, which can be four times faster on the same chip: measure on the
runtime that will be deployed.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch

from nas.errors import UsageError, did_you_mean
from nas.hardware.target import Target
from nas.hardware.target_cpu import CPU
from nas.hardware.target_cuda import CUDA
from nas.hardware.target_onnx import OnnxRuntime

__all__ = ["available_targets", "target"]

_TARGETS: Mapping[str, type[CPU] | type[OnnxRuntime] | type[CUDA]] = {
    each.name: each for each in (CPU, OnnxRuntime, CUDA)
}
_COMMON = ("threads", "batch", "dtype")


def target(name: str, *, threads: int = 1, batch: int = 1, dtype: str = "float32", **options: Any) -> Target:
    """The target of that name.

    Args:
        name: ``cpu``, ``onnxruntime`` or ``cuda``.
        threads: CPU threads inside an operation.
        batch: examples in one call.
        dtype: what the network computes in: ``float32``, ``float16``, ``bfloat16`` or ``int8``.
        options: what this target alone has, such as ``provider``, ``graph`` or ``compile``.

    Raises:
        UsageError: the target is unknown, cannot run here, or does not take such a setting.
    """
    if name not in _TARGETS:
        raise UsageError(f"target {name!r} is unknown; {did_you_mean(name, _TARGETS)}")
    known = [field.name for field in fields(_TARGETS[name]) if field.name not in _COMMON]
    for option in options:
        if option not in known:
            advice = did_you_mean(option, known) if known else "it has none beside threads, batch and dtype."
            raise UsageError(f"target '{name}' has no option '{option}'; {advice}")
    return _TARGETS[name](threads=threads, batch=batch, dtype=dtype, **options)


def available_targets() -> dict[str, str]:
    """The targets that run here, each with its device and versions in one line."""
    names = [name for name in _TARGETS if name != CUDA.name or torch.cuda.is_available()]
    return {name: _summary(target(name)) for name in names}


def _summary(where: Target) -> str:
    versions = ", ".join(f"{key} {value}" for key, value in where.versions().items())
    return f"{where.device()} ({versions})"
