"""ONNX Runtime with one of its execution providers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nas.errors import UsageError
from nas.export import example_input, inference_copy, open_session, quantise, static_onnx
from nas.hardware.energy import EnergyCounter, gpu_energy, processor_energy
from nas.hardware.target import Target, check_settings, cpu_name, type_of

__all__ = ["OnnxRuntime"]

_CPU = "CPUExecutionProvider"
_NVIDIA = ("CUDAExecutionProvider", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")


@dataclass(frozen=True)
class OnnxRuntime(Target):
    """ONNX Runtime; ``threads`` inside an operation, one between them.

    In float16 the weights and the input are float16. In int8 the model is quantised statically with the random
    example input: right for measuring, useless for predicting. A provider other than the CPU's is given its input
    and gives its output in the memory of the CPU, so the latency includes the copies.

    Attributes:
        provider: an execution provider, such as ``CUDAExecutionProvider`` or, in short, ``CUDA``.
    """

    name: ClassVar[str] = "onnxruntime"
    provider: str = _CPU
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_settings(self, ("float32", "float16", "int8"))
        object.__setattr__(self, "provider", _available(self.provider))

    def device(self) -> str:
        if self.provider == _CPU:
            return cpu_name()
        if self.provider in _NVIDIA and torch.cuda.is_available():
            return torch.cuda.get_device_name()
        return f"{self.provider} beside {cpu_name()}"

    def versions(self) -> dict[str, str]:
        import onnxruntime

        versions = {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__}
        return versions | {"provider": self.provider}

    def energy_counter(self) -> EnergyCounter | None:
        if self.provider == _CPU:
            return processor_energy()
        return gpu_energy() if self.provider in _NVIDIA else None

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], input_dtype: torch.dtype = torch.float32
    ) -> Callable[[], None]:
        kind = "float16" if self.dtype == "float16" else "float32"
        plain = inference_copy(network).to(getattr(torch, kind))
        dtype = type_of(kind, input_dtype)
        model = static_onnx(plain, input_shape, batch=self.batch, dtype=dtype)
        example = example_input(input_shape, batch=self.batch, dtype=dtype).numpy()
        if self.dtype == "int8":
            model = quantise(model, [example])
        session = open_session(model, threads=self.threads, provider=self.provider)
        if session.get_providers()[0] != self.provider:
            raise UsageError(
                f"ONNX Runtime provider '{self.provider}' is installed but does not start, so the network would run "
                "on another; install the libraries that it needs, or choose provider 'CPU'."
            )
        # A network that does not look at its input has none in its graph.
        feed = {each.name: example for each in session.get_inputs()}

        def run() -> None:
            session.run(None, feed)

        return run


def _available(provider: str) -> str:
    """The full name of a provider, given in full or in short; raises UsageError if it is not installed."""
    import onnxruntime

    installed = onnxruntime.get_available_providers()
    short = provider.lower().removesuffix("executionprovider")
    for each in installed:
        if each.lower().removesuffix("executionprovider") == short:
            return str(each)
    raise UsageError(
        f"ONNX Runtime provider '{provider}' is not installed here, but {', '.join(installed)}; "
        "choose one of these, or install the package of ONNX Runtime that has it."
    )
