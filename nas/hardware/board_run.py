"""Measures the networks of a device pack on the board that it was copied to.

This file travels as ``run.py``: it needs Python 3.8 or newer, numpy and onnxruntime, and nothing else, so it repeats
the few lines of :mod:`nas.hardware.timing` that it uses. Each row of its table holds a network's latency and that of
the reference network at the same time; only their ratio is free of the board's drift.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gc
import io
import json
import math
import os
import platform
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = [
    "COLUMNS", "MANIFEST", "Runtime", "StopError", "Timing", "append_row", "compare", "main", "measure_pack",
    "median_width", "rows_done", "warm_up",
]  # fmt: skip

COLUMNS = (
    "architecture", "latency_ms", "spread_ms", "repeats", "reference_ms", "repeat", "threads", "batch", "dtype",
    "device", "versions", "pack", "setup",
)  # fmt: skip
MANIFEST = "manifest.json"

_PRECISION = 0.02  # relative width of the median's 95 % confidence interval
_STABLE = 0.05  # two successive windows of the warm-up agree within this
_WINDOW = 5
_ROUNDS = 6  # fewer values give no 95 % confidence interval of a median
_BURST_MS = 5.0
_BURST_CALLS = (3, 50)


class StopError(Exception):
    """One sentence that says why nothing can be measured and what to do."""


class Timing(NamedTuple):
    """Median latency and median absolute deviation over ``repeats`` calls, and the reference's median, in ms."""

    latency_ms: float
    spread_ms: float
    repeats: int
    reference_ms: float


class Runtime:
    """ONNX Runtime on one provider with ``threads`` threads inside an operation and one between operations.

    Raises:
        StopError: onnxruntime or numpy is not installed, or has no such provider.
    """

    def __init__(self, manifest: Mapping[str, Any], threads: int, provider: str) -> None:
        try:
            import numpy as np
            import onnxruntime
        except ImportError as error:
            raise StopError(f"{error.name} is not installed here; run: pip install onnxruntime numpy") from error
        self._onnxruntime = onnxruntime
        self.provider = _known_provider(provider, onnxruntime.get_available_providers())
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.add_session_config_entry("session.force_spinning_stop", "1")
        self._options.log_severity_level = 3
        shape = [manifest["batch"], *manifest["input_shape"]]
        values = np.random.RandomState(0).standard_normal(shape)
        integers = np.issubdtype(np.dtype(manifest["input_dtype"]), np.integer)
        self._example = (np.zeros_like(values) if integers else values).astype(manifest["input_dtype"])

    @property
    def version(self) -> str:
        """The version of ONNX Runtime."""
        return str(self._onnxruntime.__version__)

    def prepare(self, path: Path) -> Callable[[], None]:
        """A call that runs one inference of the ONNX file; raises what ONNX Runtime raises."""
        session = self._onnxruntime.InferenceSession(str(path), self._options, providers=[self.provider])
        if session.get_providers()[0] != self.provider:
            raise RuntimeError(f"{self.provider} did not start and ONNX Runtime fell back to {session.get_providers()}")
        feed = {each.name: self._example for each in session.get_inputs()}

        def run() -> None:
            session.run(None, feed)

        return run


def compare(run: Callable[[], None], reference: Callable[[], None], seconds: float) -> Timing:
    """The latency of ``run`` beside that of ``reference``.

    After a warm-up, bursts of both alternate until the 95 % confidence interval of their median ratio is narrower
    than 2 % or ``seconds`` are over, but for six rounds at least. The latency is the median ratio times the median
    of the reference, so that drift slower than two bursts cancels.
    """
    deadline = perf_counter_ns() + seconds * 1e9
    ratios: list[float] = []
    references: list[float] = []
    with _no_garbage_collection():
        reference_calls = _burst_calls(warm_up(reference, seconds / 4))
        calls = _burst_calls(warm_up(run, seconds / 4))
        while len(ratios) < _ROUNDS or (median_width(ratios) > _PRECISION and perf_counter_ns() < deadline):
            before = median(_burst(reference, reference_calls))
            ratios.append(median(_burst(run, calls)) / before)
            references.append(before)
    ratio, level = median(ratios), median(references)
    spread = median(abs(each - ratio) for each in ratios)
    return Timing(ratio * level, spread * level, len(ratios) * calls, level)


def warm_up(run: Callable[[], None], max_seconds: float) -> float:
    """Call ``run`` until two windows of calls take the same time within 5 %; return that time in milliseconds."""
    deadline = perf_counter_ns() + max_seconds * 1e9
    before, now = math.inf, median(_burst(run, _WINDOW))
    while abs(before - now) > _STABLE * now and perf_counter_ns() < deadline:
        before, now = now, median(_burst(run, _WINDOW))
    return now


def median_width(values: Sequence[float]) -> float:
    """Relative width of the 95 % confidence interval of the median, by order statistics."""
    ordered = sorted(values)
    count = len(ordered)
    reach = 0.98 * math.sqrt(count)
    low = max(0, math.floor(count / 2 - reach))
    high = min(count - 1, math.ceil(count / 2 + reach))
    return (ordered[high] - ordered[low]) / median(ordered)


def rows_done(path: Path, settings: Mapping[str, str]) -> set[tuple[str, str]]:
    """(architecture, repeat) of each row that is there; a last row without its end is cut off.

    Raises:
        StopError: the file is another table, or a row of it has other settings; the file is as it was.
    """
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    header = _csv_line(COLUMNS)
    if not (whole or header).startswith(header) or (not whole and not header.startswith(content)):
        raise StopError(f"{path} is not a table that this script wrote; give another file with --out.")
    rows = list(csv.DictReader(io.StringIO(whole.decode("utf-8", "replace"))))
    for number, row in enumerate(rows, 2):
        for column, value in settings.items():
            if row[column] != value:
                raise StopError(
                    f"{path} row {number} has {column} {row[column]}, but this run has {value}; "
                    "use the same pack, board and options as before, or give another file with --out."
                )
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    return {(row["architecture"], row["repeat"]) for row in rows}


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Add a row, below the header if the file is new; it is on the disk when this returns.

    Raises:
        StopError: the file cannot be written.
    """
    line = _csv_line([row[column] for column in COLUMNS])
    try:
        with path.open("ab") as file:
            file.write(line if file.tell() else _csv_line(COLUMNS) + line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StopError(f"{path} cannot be written: {error.strerror}; fix that and run the same command.") from error


def measure_pack(folder: Path, threads: int, provider: str, seconds: float, out: Path) -> int:
    """Measure what ``out`` lacks of the pack in ``folder``; returns the number of networks that failed.

    Raises:
        StopError: nothing can be measured.
    """
    manifest = _manifest(folder)
    runtime = Runtime(manifest, threads, provider)
    settings = _settings(manifest, runtime, threads)
    done = rows_done(out, settings)
    rows = [(each, 0) for each in manifest["networks"]] + [(each, 1) for each in manifest["networks"] if each["twice"]]
    left = [(each, repeat) for each, repeat in rows if (each["architecture"], str(repeat)) not in done]
    _say(f"{len(rows) - len(left)} of {len(rows)} measurements are in {out}.")
    if not left:
        return 0
    reference = _prepare_reference(runtime, folder / manifest["reference"])
    failed: list[str] = []
    start = perf_counter()
    for count, (network, repeat) in enumerate(left, 1):
        if network["file"] in failed:
            continue
        try:
            timing = compare(runtime.prepare(folder / network["file"]), reference, seconds)
        except Exception as error:
            failed.append(network["file"])
            _say(f"{network['file']} failed and is left out: {_first_line(error)}")
            continue
        values = {name: f"{value:.7g}" for name, value in timing._asdict().items()}
        append_row(out, {"architecture": network["architecture"], **values, "repeat": repeat, **settings})
        remaining = _duration((perf_counter() - start) / count * (len(left) - count))
        position = len(rows) - len(left) + count
        _say(f"{position} of {len(rows)}: {network['file']} takes {timing.latency_ms:.4g} ms; {remaining} left.")
    _say(f"Failed: {', '.join(failed)}." if failed else f"All measurements are in {out}.")
    return len(failed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: all networks are measured, 1: some failed, 2: nothing can be measured, 130: interrupted."""
    folder = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(
        description="Measure the networks of this pack on this board. Stop it at any time: the same command goes on."
    )
    parser.add_argument("--threads", type=_count, default=1, metavar="N", help="threads inside an operation (1)")
    parser.add_argument("--provider", default="CPUExecutionProvider", metavar="NAME", help="ONNX Runtime's provider")
    parser.add_argument("--seconds", type=_seconds, default=2.0, metavar="S", help="longest time for a network (2)")
    parser.add_argument("--out", type=Path, default=folder / "measurements.csv", metavar="FILE", help="the table")
    given = parser.parse_args(arguments)
    try:
        return min(1, measure_pack(folder, given.threads, given.provider, given.seconds, given.out))
    except StopError as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        _say("Stopped; the same command goes on from here.")
        return 130


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StopError(f"{folder / MANIFEST} cannot be read ({error}); unpack the whole pack again.") from error
    return dict(content)


def _settings(manifest: Mapping[str, Any], runtime: Runtime, threads: int) -> dict[str, str]:
    """What all rows of a table have in common, as its cells."""
    versions = {"onnxruntime": runtime.version, "provider": runtime.provider, **manifest["versions"]}
    return {
        "pack": manifest["pack"],
        "threads": str(threads),
        "batch": str(manifest["batch"]),
        "dtype": manifest["dtype"],
        "device": _device(),
        "versions": json.dumps(versions, sort_keys=True),
        "setup": json.dumps(manifest["setup"], sort_keys=True),
    }


def _prepare_reference(runtime: Runtime, path: Path) -> Callable[[], None]:
    try:
        run = runtime.prepare(path)
        run()
    except Exception as error:
        raise StopError(
            f"{path.name}, to which all others are compared, does not run on {runtime.provider}: "
            f"{_first_line(error)}; try another --provider or a newer onnxruntime."
        ) from error
    return run


def _known_provider(name: str, available: Sequence[str]) -> str:
    for each in available:
        if name.lower() in (each.lower(), each.lower().replace("executionprovider", "")):
            return each
    raise StopError(f"ONNX Runtime's provider {name} is not installed here; there are {', '.join(available)}.")


def _device() -> str:
    """The board's name, or its processor's, from Linux where it says so, else from Python's ``platform``."""
    board, cpuinfo = Path("/proc/device-tree/model"), Path("/proc/cpuinfo")
    if board.exists():
        return " ".join(board.read_text(errors="replace").replace("\0", " ").split())
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _burst(run: Callable[[], None], calls: int) -> list[float]:
    """Milliseconds of each of ``calls`` calls."""
    times = []
    for _ in range(calls):
        start = perf_counter_ns()
        run()
        times.append(max(1, perf_counter_ns() - start) / 1e6)
    return times


def _burst_calls(milliseconds: float) -> int:
    fewest, most = _BURST_CALLS
    return min(most, max(fewest, round(_BURST_MS / milliseconds)))


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _csv_line(cells: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no positive number of seconds")
    return number


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
