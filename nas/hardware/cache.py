"""Latencies already measured, kept in one append-only file so that a resumed run does not measure again."""

import json
from collections.abc import Sequence
from pathlib import Path

from nas.errors import UsageError
from nas.files import append_line
from nas.hardware.measurement import Measurement

__all__ = ["LatencyCache"]

CacheKey = tuple[str, str, tuple[int, ...]]


class LatencyCache:
    """Measurements by network key, target fingerprint and input shape (without batch), in a JSON lines file.

    Every ``add`` is on the disk when it returns. A process killed in the middle of one leaves a last line without
    its end, which does not count, and which the next ``add`` cuts off; any other damage raises UsageError. The later of
    two measurements of the same thing wins. One process writes at a time.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._measurements: dict[CacheKey, Measurement] = {}
        if self.path.exists():
            self._load()

    def __len__(self) -> int:
        return len(self._measurements)

    def get(self, network: str, target: str, input_shape: Sequence[int]) -> Measurement | None:
        """What was measured for this network on this target, or None."""
        return self._measurements.get((network, target, tuple(input_shape)))

    def add(self, network: str, target: str, input_shape: Sequence[int], measurement: Measurement) -> None:
        """Keep a measurement, in memory and on the disk."""
        entry = {
            "network": network,
            "target": target,
            "input_shape": list(input_shape),
            "measurement": measurement.to_dict(),
        }
        append_line(self.path, json.dumps(entry))
        self._measurements[network, target, tuple(input_shape)] = measurement

    def _load(self) -> None:
        content = self.path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(complete.splitlines(), 1):
            try:
                entry = json.loads(line)
                key = (entry["network"], entry["target"], tuple(entry["input_shape"]))
                self._measurements[key] = Measurement.from_dict(entry["measurement"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise UsageError(
                    f"{self.path} line {number} is no measurement ({error}); "
                    "delete that line, or the whole file to measure again."
                ) from error
