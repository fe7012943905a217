"""Energy counters against a folder and a library that are made up."""

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nas.errors import UsageError
from nas.hardware import LatencyCache, Measurement, energy
from nas.hardware.energy import energy_per_call, gpu_energy, processor_energy

RANGE = 1_000_000


def zone(folder: Path, name: str, label: str, used: int) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "name").write_text(f"{label}\n")
    (path / "energy_uj").write_text(f"{used}\n")
    (path / "max_energy_range_uj").write_text(f"{RANGE}\n")
    return path


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", "package-0", 500), zone(tmp_path, "intel-rapl:1", "package-1", 700)
    others = [zone(tmp_path, "intel-rapl:0:0", "core", 0), zone(tmp_path, "intel-rapl:2", "psys", 0)]
    counter = processor_energy(tmp_path)
    assert counter is not None
    assert counter() == 0
    for path, used in ((first, 2_500), (second, 3_700), (others[0], 9_000), (others[1], 9_000)):
        (path / "energy_uj").write_text(f"{used}\n")
    assert counter() == pytest.approx(5.0)


def test_a_counter_that_starts_again_goes_on(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 1_000)
    counter = processor_energy(tmp_path)
    assert counter is not None
    told = []
    for used in (RANGE - 500, 1_500, 999_000, 2_000):
        (path / "energy_uj").write_text(str(used))
        told.append(counter())
    assert told == pytest.approx([0.5, 2.5, 1000.0, 1003.0])


def test_no_counter_where_none_can_be_read(tmp_path: Path) -> None:
    assert processor_energy(tmp_path / "missing") is None
    path = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    (path / "energy_uj").unlink()
    (path / "energy_uj").mkdir()  # as unreadable as a file of root's, for root too
    assert processor_energy(tmp_path) is None


def ticking(per_call: float, tick: float) -> tuple[Callable[[], None], Callable[[], float]]:
    """A call that uses ``per_call`` millijoules, and a counter that tells only whole multiples of ``tick``."""
    used = 0.0

    def run() -> None:
        nonlocal used
        used += per_call
        time.sleep(0.0002)

    return run, lambda: used // tick * tick


def test_a_coarse_counter_is_read_where_it_ticks() -> None:
    run, counter = ticking(per_call=2.0, tick=50.0)
    found = energy_per_call(run, 0.2, counter)
    assert found == pytest.approx(2.0, rel=0.1)


def test_a_counter_that_stands_still_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_PATIENCE_SECONDS", 0.02)
    assert energy_per_call(lambda: None, 0.001, lambda: 7.0) is None


class FakeNvml(SimpleNamespace):
    """The part of ``pynvml`` in use, with a GPU that has used ten joules."""

    class NVMLError(Exception):
        pass

    def __init__(self, known: str) -> None:
        super().__init__(known=known, __spec__=SimpleNamespace(name="pynvml"))

    def nvmlInit(self) -> None:  # noqa: N802
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid != self.known:
            raise self.NVMLError(uuid)
        return "handle"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        assert handle == "handle"
        return 10_000


@pytest.mark.parametrize(("known", "told"), [("GPU-ab-cd", 10_000.0), ("GPU-another", None)])
def test_the_gpu_of_torch_is_the_one_that_is_read(
    known: str, told: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(known))  # type: ignore[arg-type]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda: SimpleNamespace(uuid="ab-cd"))
    counter = gpu_energy()
    assert (counter() if counter else None) == told


def test_no_gpu_counter_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_energy() is None


def test_a_measurement_keeps_its_energy_and_older_ones_have_none(tmp_path: Path) -> None:
    known = Measurement(1.5, 0.1, 40, 1, 1, "float32", "cpu", "a chip", {"torch": "2"}, energy_mj=2.5)
    path = tmp_path / "latency.jsonl"
    LatencyCache(path).add("net", "cpu", (4,), known)
    assert LatencyCache(path).get("net", "cpu", (4,)) == known
    path.write_text(path.read_text().replace(', "energy_mj": 2.5', ""))
    assert LatencyCache(path).get("net", "cpu", (4,)) == dataclasses.replace(known, energy_mj=None)
    with pytest.raises(UsageError, match="energy_mj is 'much'"):
        Measurement.from_dict(known.to_dict() | {"energy_mj": "much"})
