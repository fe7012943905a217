"""A device of your own: how a network is made ready for it, and one call."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

import nas


@dataclass(frozen=True)
class ChannelsLast(nas.Target):
    """Networks with channels last in memory on this machine's CPU; another runtime compiles and sends its file here."""

    threads: int = 1
    batch: int = 1
    dtype: str = "float32"
    name: ClassVar[str] = "channels-last"

    def device(self) -> str:
        return "this CPU"

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def prepare(self, network: nn.Module, input_shape: Sequence[int], input_dtype: torch.dtype = torch.float32) -> Any:
        ready = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
        example = torch.zeros(self.batch, *input_shape, dtype=input_dtype).to(memory_format=torch.channels_last)

        @torch.inference_mode()
        def call() -> None:  # or the milliseconds, where the device itself measures them
            ready(example)

        return call


if __name__ == "__main__":
    run = nas.Run(
        space="chain",
        task="digits",
        method="spos",
        target="own_device:ChannelsLast",
        constraints=["latency_ms <= 50% of largest"],
    )
    print(run.search("own-device").best.metrics["latency_ms"])
