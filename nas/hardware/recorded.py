"""A target that cannot run anything: latencies that were measured before, elsewhere."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nas.errors import UsageError
from nas.space import Architecture
from nas.wording import counted

__all__ = ["Recorded"]


@dataclass(frozen=True, eq=False)
class Recorded:
    """Latencies from a published table or from a board that ran a device pack.

    Attributes:
        name: of the board, or of the table's column.
        about: the chip and its settings, as far as they are known.
        latencies: architecture key → milliseconds.
        noise_floor: mean relative difference between two measurements of one network, or None if unknown.
        known: other devices of the same table: name → architecture key → milliseconds.
        notes: sentences about rows of the table that were not used.
    """

    name: str
    about: str
    latencies: Mapping[str, float]
    noise_floor: float | None = None
    known: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def device(self) -> str:
        """The chip, as far as it is known."""
        return self.about

    def fingerprint(self) -> str:
        """A short stable name of these measurements, wherever the file with them lies."""
        content = json.dumps([self.name, sorted(self.latencies.items())])
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def measure(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Milliseconds ``[n]``; UsageError if an architecture was not measured."""
        missing = [each for each in architectures if each.key not in self.latencies]
        if missing:
            raise UsageError(
                f"target '{self.name}' is a table of {counted(len(self.latencies), 'measurement')}, and "
                f"{missing[0].key} is not among them; measure it on the device."
            )
        return np.array([self.latencies[each.key] for each in architectures])
