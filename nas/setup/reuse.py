"""A search on the supernet that another run has trained."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from nas.errors import UsageError
from nas.setup.config import RunConfig
from nas.setup.finishing import finishing
from nas.setup.folder import RunFolder
from nas.setup.resolution import PLANNED
from nas.setup.values import put

__all__ = ["on_supernet_of"]

_FIXED = (
    "space",
    "space_args",
    "task",
    "data_dir",
    "image_size",
    "normalisation",
    "extra",
    "length",
    "limit",
    "method",
    "method_args",
    "sharing_args",
    "search_args",
    "pretrained",
    "distillation",
    "training",
    "learning",
)
"""What the supernet is, which another search cannot change."""
_OWN = {
    "time",
    "cpu_time",
    "unplanned",
    "supernet",
    "keep_epochs",
    "storage",
    "study",
    "workers",
    "ray",
    "train_for",
    "answers",
}
"""What is of one run alone."""
_FEWER, _FEWEST = 4, 8
"""A search that trains nothing evaluates a quarter of the candidates of one that did, since it is to take seconds."""
_GROUPS = {
    name
    for name, field in RunConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
"""Settings that hold settings."""


def on_supernet_of(folder: RunFolder, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a search on the trained supernet of a run; what is not given is as it was there.

    But for the last round, which is asked for anew, and for the candidates, of which a quarter does.

    Raises:
        UsageError: that run has no trained supernet, or the values ask for another one.
    """
    source = folder.load_config()
    if not folder.supernet.exists():
        raise UsageError(f"run '{folder.name}' has no trained supernet; name a search that trains one.")
    before = source.model_dump(mode="json", exclude=_OWN)
    for key in _FIXED:
        if difference := _difference(before[key], values.get(key), key):
            raise UsageError(
                f"the supernet of run '{folder.name}' was trained with {difference}; leave that out, or train another."
            )
    merged: dict[str, Any] = {}
    left = {"finish.networks", *(PLANNED if _is_timed(values) else ())}
    if not source.is_timed:
        before["candidates"] = max(_FEWEST, source.candidates // _FEWER)
    for key, value in _flat(before):
        if key not in left or key.startswith("training."):
            put(merged, key, value)
    for key, value in _flat(values):
        put(merged, key, value)
    merged |= {"supernet": str(folder.path), "training_seed": source.seed_of_training}
    is_bounded = source.train_on == "feasible" and finishing(source) > 0
    return {**merged, "train_for": [*source.train_for, " and ".join(source.constraints)] if is_bounded else []}


def _is_timed(values: Mapping[str, Any]) -> bool:
    return values.get("time") is not None or values.get("cpu_time") is not None


def _difference(before: Any, now: Any, key: str) -> str | None:
    """In words, where a value is given and another than before."""
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        found = (_difference(before.get(name), value, f"{key}.{name}") for name, value in now.items())
        return next(filter(None, found), None)
    return None if now is None or str(now) == str(before) else f"{key}={before!r}, not {now!r}"


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Groups of settings key by key; the arguments of a part are one value."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if key in _GROUPS and isinstance(value, Mapping):
            found += [(f"{key}.{name}", each) for name, each in value.items()]
        else:
            found.append((key, value))
    return found
