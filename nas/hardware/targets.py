"""The targets by name: PyTorch on the CPU, ONNX Runtime, PyTorch on a CUDA GPU.

Eager PyTorch is no proxy for ONNX Runtime, which can be four times faster on the same chip: measure on the
runtime that will be deployed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nas.parts import Slot, check_options

if TYPE_CHECKING:
    from nas.hardware.target import Target

__all__ = ["TARGETS", "available_targets", "make_target"]

TARGETS: "Slot[Callable[..., Target]]" = Slot(
    "target",
    "nas.targets",
    {
        "cpu": "nas.hardware.target_cpu:CPU",
        "onnxruntime": "nas.hardware.target_onnx:OnnxRuntime",
        "cuda": "nas.hardware.target_cuda:CUDA",
    },
    callable,
    "a class of the protocol nas.hardware.Target that takes threads, batch and dtype",
)
_COMMON = ("threads", "batch", "dtype")


def make_target(name: str, *, threads: int = 1, batch: int = 1, dtype: str = "float32", **options: Any) -> "Target":
    """The target of that name.

    Args:
        name: ``cpu``, ``onnxruntime``, ``cuda``, an installed one, or ``module:object``.
        threads: CPU threads inside an operation.
        batch: examples in one call.
        dtype: what the network computes in: ``float32``, ``float16``, ``bfloat16`` or ``int8``.
        options: what this target alone has, such as ``provider``, ``graph`` or ``compile``.

    Raises:
        UsageError: the target is unknown, cannot run here, or does not take such a setting.
    """
    make = TARGETS[name]
    own = check_options(make, options, f"target '{name}'", _COMMON)
    return make(threads=threads, batch=batch, dtype=dtype, **own)


def available_targets() -> dict[str, str]:
    """The targets that run here, each with its device and versions in one line."""
    import torch

    names = [name for name in TARGETS.shipped if name != "cuda" or torch.cuda.is_available()]
    return {name: _summary(make_target(name)) for name in names}


def _summary(where: "Target") -> str:
    versions = ", ".join(f"{key} {value}" for key, value in where.versions().items())
    return f"{where.device()} ({versions})"
