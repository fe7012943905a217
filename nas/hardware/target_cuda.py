"""PyTorch on an NVIDIA GPU."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.export import example_input, inference_copy
from nas.hardware.energy import EnergyCounter, gpu_energy
from nas.hardware.target import Target, check_settings, first_call, type_of
from nas.hardware.target_cpu import torch_threads
from nas.hardware.timing import Infer

__all__ = ["CUDA"]

_WARM_UP_CALLS = 3  # cuDNN and cuBLAS set up what may not be set up while a graph is captured


@dataclass(frozen=True)
class CUDA(Target):
    """PyTorch on the current CUDA GPU, in float32, float16 or bfloat16.

    A call is timed between two CUDA events, one recorded before its first kernel is launched and one after its last:
    by the GPU's clock, in the GPU's queue. The first event is reached at once since the queue is empty, so what keeps
    the GPU waiting for the host counts: a small network is bound by launching its kernels one by one, which ``graph``
    and ``compile`` fix. What a caller waits beyond that, until the host notices the end, does not count; it is the
    same few microseconds for every network and the noisiest part of a call.

    Attributes:
        graph: replay the kernels from a CUDA graph, launched as one.
        compile: run what ``torch.compile`` makes of the network, whole; what it cannot compile is refused.
    """

    name: ClassVar[str] = "cuda"
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"
    graph: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        check_settings(self, ("float32", "float16", "bfloat16"))
        if not torch.cuda.is_available():
            raise UsageError(
                "target 'cuda' needs an NVIDIA GPU and a PyTorch built for CUDA, and there is none here; "
                "choose 'cpu' or 'onnxruntime'."
            )

    def device(self) -> str:
        return torch.cuda.get_device_name()

    def versions(self) -> dict[str, str]:
        software = {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
        settings = {"graph": self.graph, "compile": self.compile}
        return {key: str(value) for key, value in (software | settings).items()}

    def energy_counter(self) -> EnergyCounter | None:
        return gpu_energy()

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], input_dtype: torch.dtype = torch.float32
    ) -> Infer:
        plain = inference_copy(network).to("cuda", getattr(torch, self.dtype))
        example = example_input(input_shape, batch=self.batch, dtype=type_of(self.dtype, input_dtype)).cuda()
        forward = _compiled(plain) if self.compile else plain

        def run() -> None:
            with torch_threads(self.threads), torch.inference_mode():
                forward(example)

        timed = _between_events(run)
        first_call(timed, self, network, input_shape)
        if not self.graph:
            return timed
        replay = _Replay(forward, example)
        first_call(replay.capture, self, network, input_shape)
        return _between_events(replay)


def _compiled(network: nn.Module) -> Callable[[Tensor], Any]:
    """A compiled call of a network that no other network shares.

    ``torch.compile`` counts what it compiles by the code object that is called, which is one for all modules, and
    runs them eagerly beyond the eighth.
    """

    def forward(x: Tensor) -> Any:
        return network(x)

    code = forward.__code__.replace()
    own = FunctionType(code, forward.__globals__, forward.__name__, None, forward.__closure__)
    compiled: Callable[[Tensor], Any] = torch.compile(own, fullgraph=True, dynamic=False)
    return compiled


def _between_events(launch: Callable[[], None]) -> Infer:
    """A call that launches work, waits for its end, and returns how many milliseconds it took on the GPU."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]

    def run() -> float:
        start.record()
        launch()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))

    return run


class _Replay:
    """One captured call; it keeps the network and its tensors, whose memory the graph reads and writes."""

    def __init__(self, forward: Callable[[Tensor], Any], example: Tensor) -> None:
        self._forward, self._example = forward, example
        self._graph = torch.cuda.CUDAGraph()
        self._output: Any = None

    def capture(self) -> None:
        """Records the call, after a warm-up beside the default stream."""
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode():
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP_CALLS):
                    self._forward(self._example)
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(self._graph):
                self._output = self._forward(self._example)

    def __call__(self) -> None:
        self._graph.replay()
