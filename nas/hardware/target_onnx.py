"""ONNX Runtime with one of its execution providers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from nas.errors import UsageError
from nas.export import DTYPES, example_input, inference_copy, lowered, open_session, static_onnx
from nas.hardware.energy import EnergyCounter, gpu_energy, processor_energy
from nas.hardware.machine import Subject
from nas.hardware.target import Target, check_settings, cpu_name

__all__ = ["OnnxRuntime"]

_CPU = "CPUExecutionProvider"
_NVIDIA = ("CUDAExecutionProvider", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")


@dataclass(frozen=True)
class OnnxRuntime(Target):
    """ONNX Runtime; ``threads`` inside an operation, one between them.

    A network is written as ONNX and lowered to ``dtype`` as :func:`nas.export.lowered` does; its input and output stay
    as they are. In int8 it is quantised with the random example input: right for measuring, useless for predicting. A
    file, whose bytes are measured as they are, is of ``dtype`` already. A provider other than the CPU's is given its
    input and gives its output in the memory of the CPU, so the latency includes the copies.

    Attributes:
        provider: an execution provider, such as ``CUDAExecutionProvider`` or, in short, ``CUDA``.
    """

    name: ClassVar[str] = "onnxruntime"
    provider: str = _CPU
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_settings(self, DTYPES)
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
        model = static_onnx(inference_copy(network).float(), input_shape, batch=self.batch, dtype=input_dtype)
        example = example_input(input_shape, batch=self.batch, dtype=input_dtype).numpy()
        return self._started(lowered(model, self.dtype, [example]), example)

    def _prepared(self, subject: Subject) -> Callable[[], None]:
        if isinstance(subject.network, nn.Module):
            return self.prepare(subject.network, subject.input_shape, subject.input_dtype)
        example = example_input(subject.input_shape, batch=self.batch, dtype=subject.input_dtype)
        return self._started(subject.network, example.numpy())

    def _started(self, model: bytes, example: np.ndarray) -> Callable[[], None]:
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
