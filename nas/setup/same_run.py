"""Whether two configurations are of one run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from nas.setup.config import RunConfig

__all__ = ["Difference", "difference", "flat_settings"]

_PLACE = {"workers", "ray", "track"}
"""Where a run works, and who is told, does not make it another run."""


class Difference(NamedTuple):
    """The first key, with dots, by which two configurations differ, and its values as JSON has them."""

    key: str
    before: Any
    now: Any


def difference(before: RunConfig, now: RunConfig) -> Difference | None:
    """The first difference that makes them two runs; None of one run, wherever it works."""
    old, new = (flat_settings(each) for each in (before, now))
    keys = (key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
    return next((Difference(key, old.get(key), new.get(key)) for key in keys), None)


def flat_settings(config: RunConfig) -> dict[str, Any]:
    """The settings that make a run what it is, by keys with dots, as JSON has them."""
    return _flat(config.model_dump(mode="json", exclude=_PLACE))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
