"""One measured latency with all that is needed to judge it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from nas.errors import UsageError

__all__ = ["Measurement"]

_TYPES = {
    "latency_ms": int | float,
    "spread_ms": int | float,
    "repeats": int,
    "threads": int,
    "batch": int,
    "dtype": str,
    "target": str,
    "device": str,
    "versions": dict,
    "energy_mj": int | float | None,
    "reference_ms": int | float | None,
}


@dataclass(frozen=True)
class Measurement:
    """Latency of one inference call on one target.

    ``latency_ms`` is the median of ``repeats`` calls on a batch of ``batch`` examples and ``spread_ms`` their median
    absolute deviation. ``reference_ms`` is the latency of the reference network that was measured in turn with it, or
    None without one; with one the deviation is that of bursts of calls relative to it. ``dtype`` is the type that the
    network computes in; ``target`` names the runtime, ``device`` the chip it ran on with ``threads`` CPU threads, and
    ``versions`` the software. ``energy_mj`` is what the chip used for one call in millijoules, or None where nothing
    tells.
    """

    latency_ms: float
    spread_ms: float
    repeats: int
    threads: int
    batch: int
    dtype: str
    target: str
    device: str
    versions: Mapping[str, str]
    energy_mj: float | None = None
    reference_ms: float | None = None

    def at(self, reference_ms: float) -> "Measurement":
        """What it would be while the reference network takes that long: drift of the machine divided out.

        Raises UsageError if it was measured without a reference.
        """
        if self.reference_ms is None:
            raise UsageError("a measurement without a reference network cannot be brought to another's speed.")
        factor = reference_ms / self.reference_ms
        latency_ms, spread_ms = self.latency_ms * factor, self.spread_ms * factor
        return replace(self, latency_ms=latency_ms, spread_ms=spread_ms, reference_ms=reference_ms)

    def to_dict(self) -> dict[str, Any]:
        """The measurement as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Measurement":
        """The inverse of ``to_dict``; raises UsageError if a field is missing, unknown or of another type.

        A measurement without ``energy_mj`` or ``reference_ms`` is read as one where they are unknown.
        """
        values = {"energy_mj": None, "reference_ms": None, **values}
        if values.keys() != _TYPES.keys():
            raise UsageError(
                f"A measurement has the fields {', '.join(sorted(values))}, but it must have exactly "
                f"{', '.join(sorted(_TYPES))}; measure again."
            )
        for name, kind in _TYPES.items():
            if not isinstance(values[name], kind):
                raise UsageError(f"A measurement's {name} is {values[name]!r}, but it must be a {kind}; measure again.")
        return cls(**values)
