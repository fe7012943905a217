"""What every target is and does: a device with a runtime that networks are measured on."""

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import nn

from nas.costs.tracing import cannot_run
from nas.errors import UsageError, did_you_mean
from nas.hardware.energy import EnergyCounter, energy_per_call
from nas.hardware.machine import Machine, Subject
from nas.hardware.measurement import Measurement
from nas.hardware.timing import Infer, Timing, measure_all, summarise, time_calls

__all__ = ["Target", "check_settings", "cpu_name", "first_call", "type_of"]


class Target(Machine, Protocol):
    """A machine of this process; subclass it and fill in three methods to measure on another runtime."""

    name: ClassVar[str]

    def prepare(
        self, network: nn.Module, input_shape: Sequence[int], input_dtype: torch.dtype = torch.float32
    ) -> Infer:
        """A call that runs one inference and returns when the result is there.

        It returns the milliseconds that the device itself measured, or None where the host's clock is to tell.
        ``input_shape`` is one example's shape without the batch, ``input_dtype`` the input's type: inputs in
        floating point are cast to what the target computes in, token ids are not. The network is copied.
        """

    def energy_counter(self) -> EnergyCounter | None:
        """What tells the energy that the device uses; None where nothing does."""
        return None

    def fingerprint(self) -> str:
        parts = [self.name, self.device(), self.versions(), self.threads, self.batch, self.dtype]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:12]}"

    def measure_groups(
        self, groups: Iterable[Mapping[str, Subject]], reference: Subject, *, seconds_each: float, energy: bool
    ) -> Iterator[dict[str, Measurement]]:
        beside = self._prepared(reference)
        for group in groups:
            sessions = {name: self._prepared(subject) for name, subject in group.items()}
            timings = measure_all(sessions, beside, max_seconds=seconds_each * len(group))
            counter = self.energy_counter() if energy else None
            yield {name: self.measured(run, timings[name], counter) for name, run in sessions.items()}

    def measure(
        self,
        network: nn.Module,
        input_shape: Sequence[int],
        input_dtype: torch.dtype = torch.float32,
        *,
        max_seconds: float = 1.0,
    ) -> Measurement:
        """Latency and, where the target can tell, energy of one network.

        Takes up to about ``max_seconds`` after preparing it, and a fraction of a second more for the energy.
        """
        run = self.prepare(network, input_shape, input_dtype)
        timing = summarise(time_calls(run, max_seconds=max_seconds))
        return self.measured(run, timing, self.energy_counter())

    def measured(self, run: Infer, timing: Timing, counter: EnergyCounter | None) -> Measurement:
        """A timing with its conditions; ``run`` is called again where there is a counter of energy."""
        return Measurement(
            **asdict(timing),
            threads=self.threads,
            batch=self.batch,
            dtype=self.dtype,
            target=self.name,
            device=self.device(),
            versions=self.versions(),
            energy_mj=energy_per_call(run, timing.latency_ms, counter) if counter else None,
        )

    def _prepared(self, subject: Subject) -> Infer:
        if isinstance(subject.network, bytes):
            raise UsageError(f"target '{self.name}' runs networks of PyTorch, no ONNX files; choose 'onnxruntime'.")
        return self.prepare(subject.network, subject.input_shape, subject.input_dtype)


def check_settings(where: Any, dtypes: Sequence[str]) -> None:
    """Raises UsageError unless every field of a target's dataclass has its type and the target takes its dtype."""
    expected: dict[Any, str] = {int: "a whole number from 1", bool: "true or false", str: "a name"}
    for field in fields(where):
        value, kind = getattr(where, field.name), field.type
        if kind in expected and (type(value) is not kind or (kind is int and value < 1)):
            raise UsageError(f"{field.name} of target '{where.name}' is {value!r}; give {expected[kind]}.")
    if where.dtype not in dtypes:
        raise UsageError(
            f"dtype of target '{where.name}' is '{where.dtype}', which it does not compute in; "
            f"{did_you_mean(where.dtype, dtypes)}"
        )


def type_of(dtype: str, input_dtype: torch.dtype) -> torch.dtype:
    """The type of the input for a network that computes in ``dtype``; token ids stay integers."""
    return getattr(torch, dtype) if input_dtype.is_floating_point else input_dtype


def first_call(run: Infer, where: Target, network: nn.Module, input_shape: Sequence[int]) -> None:
    """The first call of ``run``; raises UsageError where the network does not take such an input or type."""
    try:
        run()
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        place = f"on target '{where.name}' in {where.dtype} on an input of shape {tuple(input_shape)}"
        raise cannot_run(type(network).__name__, place, error) from error


def cpu_name() -> str:
    """The processor's name, from Linux where it says so, else from Python's ``platform``."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
