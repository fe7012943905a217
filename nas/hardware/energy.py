"""What an inference takes out of the socket: energy counters of the chip, read around a burst of calls.

A counter tells what the whole chip used, idle power and neighbours' work included: leave the machine alone while
measuring, and compare networks on the same machine only.
"""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from nas.hardware.timing import Infer

__all__ = ["EnergyCounter", "energy_per_call", "gpu_energy", "processor_energy"]

EnergyCounter = Callable[[], float]
"""Millijoules used since some moment; never goes down."""

_POWERCAP = Path("/sys/class/powercap")
_BURST_SECONDS = 0.1
_PATIENCE_SECONDS = 0.5
_CHUNK_MS = 1.0


def energy_per_call(run: Infer, latency_ms: float, counter: EnergyCounter) -> float | None:
    """Millijoules of one call of ``run``, over calls of at least 0.1 s; None if the counter stands still.

    Counters tick (RAPL each millisecond, NVML up to each tenth of a second), so the burst begins and ends at a tick.
    ``latency_ms`` is about what a call takes; the counter is read once in about a millisecond.
    """
    chunk = max(1, round(_CHUNK_MS / latency_ms))
    start = _after_tick(run, chunk, counter, 0.0)
    end = _after_tick(run, chunk, counter, _BURST_SECONDS) if start else None
    return (end[0] - start[0]) / end[1] if start and end else None


def processor_energy(folder: Path = _POWERCAP) -> EnergyCounter | None:
    """The counter of all processor packages (Linux RAPL, Intel and AMD); None where there is none to read.

    The kernel lets only root read it unless told otherwise (``chmod a+r .../intel-rapl:*/energy_uj``). Memory and
    parts of a package (cores, graphics) are not added.

    Args:
        folder: where the kernel lists its powercap zones.
    """
    zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if _text(zone / "name").startswith("package")]
    if not zones or not all(_text(zone / file) for zone in zones for file in ("energy_uj", "max_energy_range_uj")):
        return None
    packages = [_Package(zone) for zone in zones]
    return lambda: sum(package.microjoules() for package in packages) / 1e3


def gpu_energy() -> EnergyCounter | None:
    """The counter of PyTorch's current GPU through NVML; None without ``pynvml`` or on a GPU older than Volta.

    ``pip install 'nas-supernet[energy]'`` brings ``pynvml``.
    """
    if not torch.cuda.is_available() or importlib.util.find_spec("pynvml") is None:
        return None
    nvml: Any = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
        gpu = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties().uuid}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
    except nvml.NVMLError:
        return None
    return lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(gpu))


class _Package:
    """One package's counter, unwound: the kernel's starts again at 0 beyond its range (some minutes at full load)."""

    def __init__(self, zone: Path) -> None:
        self._file = zone / "energy_uj"
        self._range = int(_text(zone / "max_energy_range_uj"))
        self._last = int(_text(self._file))
        self._used = 0

    def microjoules(self) -> int:
        """Since this object was made; right if it is asked at least once in each range."""
        now = int(self._file.read_text())
        self._used += (now - self._last) % self._range
        self._last = now
        return self._used


def _after_tick(run: Infer, chunk: int, counter: EnergyCounter, at_least: float) -> tuple[float, int] | None:
    """Calls for ``at_least`` seconds and on until the counter moves: its value and the number of calls."""
    before, start, calls = counter(), perf_counter(), 0
    while True:
        for _ in range(chunk):
            run()
        calls += chunk
        now, seconds = counter(), perf_counter() - start
        if seconds >= at_least and now != before:
            return now, calls
        if seconds > at_least + _PATIENCE_SECONDS:
            return None
        before = now


def _text(file: Path) -> str:
    """What a file holds, without the line's end; nothing if it is missing or may not be read."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""
