"""PyTorch on the CPU."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nas.export import example_input, inference_copy
from nas.hardware.energy import EnergyCounter, processor_energy
from nas.hardware.target import Target, check_settings, cpu_name, first_call, type_of

__all__ = ["CPU", "torch_threads"]


@dataclass(frozen=True)
class CPU(Target):
    """Eager PyTorch on the CPU, in float32, bfloat16 or float16 (few processors have arithmetic for the last)."""

    name: ClassVar[str] = "cpu"
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_settings(self, ("float32", "bfloat16", "float16"))

    def device(self) -> str:
        return cpu_name()

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def energy_counter(self) -> EnergyCounter | None:
        return processor_energy()

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], input_dtype: torch.dtype = torch.float32
    ) -> Callable[[], None]:
        plain = inference_copy(network).to(getattr(torch, self.dtype))
        example = example_input(input_shape, batch=self.batch, dtype=type_of(self.dtype, input_dtype))

        def run() -> None:
            with torch_threads(self.threads), torch.inference_mode():
                plain(example)

        first_call(run, self, network, input_shape)
        return run


@contextlib.contextmanager
def torch_threads(threads: int) -> Iterator[None]:
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
