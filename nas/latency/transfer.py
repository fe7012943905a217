"""Few-shot transfer from devices whose latencies are known already."""

import json
from pathlib import Path

import numpy as np

from nas.errors import UsageError
from nas.hardware import Recorded
from nas.predictors import ArchitecturePredictor, Encoding, TransferPredictor
from nas.setup.folder import RunFolder
from nas.setup.platforms import known_platforms
from nas.setup.run_setup import Setup
from nas.space import Architecture
from nas.streams import Stream, rng

__all__ = ["transfer_predictor"]

_ARCHITECTURES = 900


def transfer_predictor(setup: Setup, encoding: Encoding) -> TransferPredictor:
    """A predictor that knows the devices of ``profile.known``, not yet fitted to the target.

    They are columns of the target's table, or folders with the frozen predictors of other devices.

    Raises:
        UsageError: a device is not there, or of another space or input.
    """
    platforms = known_platforms(setup.config.profile.known)
    if isinstance(setup.target, Recorded) and setup.target.known:
        architectures, latencies = _of_columns(setup, setup.target)
    else:
        drawn = (
            setup.space.sample(rng(setup.config.seed, Stream.KNOWN_DEVICES, number)) for number in range(_ARCHITECTURES)
        )
        architectures = list(dict.fromkeys(drawn))
        rows = [_predictor(setup, Path(name)).predict(architectures)[0] for name in platforms]
        latencies = np.maximum(np.stack(rows), 1e-6)
    return TransferPredictor(encoding(architectures), latencies, list(platforms.values()))


def _of_columns(setup: Setup, table: Recorded) -> tuple[list[Architecture], np.ndarray]:
    """Some architectures that all known columns have, and their latencies ``[devices, architectures]``."""
    keys = sorted(set.intersection(*(set(column) for column in table.known.values())))
    order = rng(setup.config.seed, Stream.KNOWN_COLUMNS).permutation(len(keys))[:_ARCHITECTURES]
    chosen = [keys[index] for index in order]
    latencies = np.array([[column[key] for key in chosen] for column in table.known.values()])
    return [Architecture(json.loads(key)) for key in chosen], latencies


def _predictor(setup: Setup, path: Path) -> ArchitecturePredictor:
    """The frozen predictor of a known device, which need not be here any more."""
    folder = RunFolder(path)
    guard = folder.read(folder.predictor / "summary.json").get("guard")
    if not isinstance(guard, dict):
        raise UsageError(f"profile.known names {path}, which does not say what its predictor is of; profile it again.")
    for name, ours in setup.subject.items():
        if guard.get(name) != ours:
            raise UsageError(
                f"profile.known names {path}, which is of {name} {guard.get(name)}, but this run has {ours}; "
                "profile this space on that device."
            )
    return ArchitecturePredictor.load(folder.predictor, guard, setup.traced, setup.config.profile.predictor)
