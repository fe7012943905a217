"""What can measure networks in turn, whether it works in this process or far away."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from nas.hardware.measurement import Measurement

__all__ = ["Machine", "Subject"]


@dataclass(frozen=True)
class Subject:
    """A network to measure, with one example's shape (without the batch) and the type of its input.

    For ONNX Runtime it may be the bytes of an ONNX file.
    """

    network: nn.Module | bytes
    input_shape: tuple[int, ...]
    input_dtype: torch.dtype = torch.float32


class Machine(Protocol):
    """A device with a runtime: what it is, and how long networks take on it.

    ``threads`` is the number of CPU threads inside an operation, ``batch`` the number of examples in one call, and
    ``dtype`` the type that the network computes in.
    """

    @property
    def name(self) -> str: ...

    @property
    def threads(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def dtype(self) -> str: ...

    def device(self) -> str:
        """The chip, as its maker calls it."""

    def versions(self) -> dict[str, str]:
        """The software that decides the latency, with its versions and settings."""

    @property
    def latency_source(self) -> str:
        """What is said of its latencies where they stand: PyTorch's are not those of the ONNX file handed over."""
        software = self.versions()
        return "measured in PyTorch" if "torch" in software and "onnxruntime" not in software else "measured"

    def fingerprint(self) -> str:
        """A short stable name of device, software and settings: equal ones give comparable latencies."""

    def measure_groups(
        self, groups: Iterable[Mapping[str, Subject]], reference: Subject, *, seconds_each: float, energy: bool
    ) -> Iterator[dict[str, Measurement]]:
        """Measures one group of networks after the other, each network of a group in turn with the reference.

        A group's measurements are there before the next group is taken, so that they can be kept.

        Args:
            groups: names → networks; may be made as they are taken.
            reference: divides out the drift of the machine's speed.
            seconds_each: bounds the timing of one network, see :func:`nas.hardware.timing.measure_all`; not its
                preparation, nor the fraction of a second for the energy.
            energy: also take the energy of a call, where something tells it.
        """
