"""Where a network runs: PyTorch on the CPU, ONNX Runtime, PyTorch on a CUDA GPU.

Eager PyTorch is no proxy for ONNX Runtime, which can be four times faster on the same chip: measure on the
runtime that will be deployed.
"""

import contextlib
import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import nn

from nas.errors import UsageError, did_you_mean
from nas.export import example_input, inference_copy, open_session, static_onnx
from nas.hardware.measurement import Measurement
from nas.hardware.timing import Timing, measure_all, summarise, time_calls

__all__ = ["CPU", "CUDA", "OnnxRuntime", "Target", "available_targets", "measure_networks", "target"]


class Target(Protocol):
    """A device with a runtime; subclass it and fill in three methods to measure elsewhere.

    ``threads`` is the number of CPU threads inside an operation, ``batch`` the number of examples in one call.
    """

    name: ClassVar[str]

    @property
    def threads(self) -> int: ...

    @property
    def batch(self) -> int: ...

    def device(self) -> str:
        """The chip, as its maker calls it."""
        ...

    def versions(self) -> dict[str, str]:
        """The software that decides the latency, with its versions and settings."""
        ...

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> Callable[[], None]:
        """A call that runs one inference and returns when the result is there.

        ``input_shape`` is one example's shape without the batch, ``dtype`` the input's type. The network is copied.
        """
        ...

    def fingerprint(self) -> str:
        """A short stable name of device, software, threads and batch: equal ones give comparable latencies."""
        parts = [self.name, self.device(), self.versions(), self.threads, self.batch]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:12]}"

    def measure(
        self,
        network: nn.Module,
        input_shape: Sequence[int],
        dtype: torch.dtype = torch.float32,
        *,
        max_seconds: float = 1.0,
    ) -> Measurement:
        """The latency of one network; takes up to about ``max_seconds`` after preparing it."""
        times = time_calls(self.prepare(network, input_shape, dtype), max_seconds=max_seconds)
        return _measurement(self, summarise(times), network)


@dataclass(frozen=True)
class CPU(Target):
    """Eager PyTorch on the CPU."""

    name: ClassVar[str] = "cpu"
    threads: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        _require_counts(self)

    def device(self) -> str:
        return _cpu_name()

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> Callable[[], None]:
        plain = inference_copy(network)
        example = example_input(input_shape, batch=self.batch, dtype=dtype)

        def run() -> None:
            with _torch_threads(self.threads), torch.inference_mode():
                plain(example)

        return run


@dataclass(frozen=True)
class OnnxRuntime(Target):
    """ONNX Runtime with one of its execution providers; ``threads`` inside an operation, one between them."""

    name: ClassVar[str] = "onnxruntime"
    provider: str = "CPUExecutionProvider"
    threads: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        _require_counts(self)

    def device(self) -> str:
        return _cpu_name()

    def versions(self) -> dict[str, str]:
        import onnxruntime

        versions = {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__}
        return versions | {"provider": self.provider}

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> Callable[[], None]:
        model = static_onnx(network, input_shape, batch=self.batch, dtype=dtype)
        session = open_session(model, threads=self.threads, provider=self.provider)
        feed = {"input": example_input(input_shape, batch=self.batch, dtype=dtype).numpy()}

        def run() -> None:
            session.run(None, feed)

        return run


@dataclass(frozen=True)
class CUDA(Target):
    """Eager PyTorch on the current CUDA GPU; a call includes launching and waiting for the result."""

    name: ClassVar[str] = "cuda"
    threads: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        _require_counts(self)
        if not torch.cuda.is_available():
            raise UsageError(
                "target 'cuda' needs an NVIDIA GPU and a PyTorch built for CUDA, and there is none here; "
                "choose 'cpu' or 'onnxruntime'."
            )

    def device(self) -> str:
        return torch.cuda.get_device_name()

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__, "cuda": str(torch.version.cuda)}

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> Callable[[], None]:
        plain = inference_copy(network).cuda()
        example = example_input(input_shape, batch=self.batch, dtype=dtype).cuda()

        def run() -> None:
            with _torch_threads(self.threads), torch.inference_mode():
                plain(example)
            torch.cuda.synchronize()

        return run


_TARGETS: Mapping[str, type[CPU] | type[OnnxRuntime] | type[CUDA]] = {
    each.name: each for each in (CPU, OnnxRuntime, CUDA)
}


def target(name: str, *, threads: int = 1, batch: int = 1) -> Target:
    """The target of that name; raises UsageError if it is unknown or cannot run here."""
    if name not in _TARGETS:
        raise UsageError(f"target {name!r} is unknown; {did_you_mean(name, _TARGETS)}")
    return _TARGETS[name](threads=threads, batch=batch)


def available_targets() -> dict[str, str]:
    """The targets that run here, each with its device and versions in one line."""
    names = [name for name in _TARGETS if name != CUDA.name or torch.cuda.is_available()]
    return {name: _summary(target(name)) for name in names}


def measure_networks(
    where: Target,
    networks: Mapping[str, nn.Module],
    reference: nn.Module,
    input_shape: Sequence[int],
    dtype: torch.dtype = torch.float32,
    *,
    max_seconds: float = 60.0,
) -> dict[str, Measurement]:
    """Measure several networks interleaved with a reference network, so that drift of the machine is divided out.

    ``max_seconds`` bounds the timing, not the preparation; see :func:`nas.hardware.timing.measure_all`.
    """
    sessions = {name: where.prepare(network, input_shape, dtype) for name, network in networks.items()}
    timings = measure_all(sessions, where.prepare(reference, input_shape, dtype), max_seconds=max_seconds)
    return {name: _measurement(where, timings[name], network) for name, network in networks.items()}


def _measurement(where: Target, timing: Timing, network: nn.Module) -> Measurement:
    dtypes = [each.dtype for each in network.parameters() if each.is_floating_point()] or [torch.float32]
    return Measurement(
        **asdict(timing),
        threads=where.threads,
        batch=where.batch,
        dtype=str(dtypes[0]).removeprefix("torch."),
        target=where.name,
        device=where.device(),
        versions=where.versions(),
    )


def _summary(where: Target) -> str:
    versions = ", ".join(f"{key} {value}" for key, value in where.versions().items())
    return f"{where.device()} ({versions})"


def _require_counts(where: Target) -> None:
    for field, value in (("threads", where.threads), ("batch", where.batch)):
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"{field} of target {where.name!r} is {value!r}; give a whole number from 1.")


def _cpu_name() -> str:
    """The processor's name, from Linux where it says so, else from Python's ``platform``."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@contextlib.contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    """PyTorch runs with ``threads`` threads inside; changing it costs some microseconds, keeping it none."""
    before = torch.get_num_threads()
    if before == threads:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
