"""A run's latency model: a predictor, frozen with all that is needed to judge it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.files import write_file
from nas.hardware import Recorded
from nas.predictors import ArchitecturePredictor
from nas.setup.folder import RunFolder
from nas.setup.origin import read_object
from nas.setup.run_setup import LATENCY, Setup
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LatencyModel", "frozen_level"]

_SUMMARY = ("kind", "samples", "mape", "noise_floor", "reference_ms", "drift", "energy_mj", "compared", "held_out")


@dataclass(frozen=True)
class LatencyModel:
    """A frozen predictor, so that the search is a function of the seed and this artefact.

    Attributes:
        predictor: architectures → milliseconds.
        setup: the space and the costs that need no device.
        summary: ``kind``, ``samples`` (networks that it learnt from), its errors on held-out networks
            (``within_5pct``, ``within_10pct``, ``spearman``, ``mape``), ``noise_floor``, ``reference_ms`` (of the
            largest network, to which all latencies are relative), ``drift``, ``energy_mj``, ``measuring_seconds``,
            ``guard``, ``compared`` (a row a predictor) and ``held_out`` (``ids``, ``measured`` and ``predicted``
            milliseconds).
    """

    predictor: ArchitecturePredictor
    setup: Setup
    summary: Mapping[str, Any]

    def predict(self, architectures: Sequence[Architecture]) -> list[float]:
        """Milliseconds for each architecture, never below zero."""
        return [max(0.0, float(value)) for value in self.predictor.predict(architectures)[0]]

    def recall(self, architecture: Architecture) -> tuple[float, float | None, str]:
        """Milliseconds without measuring, how far a measurement is from them in the mean, and where they come from.

        That is "recorded" if the target is a table that has the architecture (the second number is None if nothing
        was measured twice), else "predicted".
        """
        target = self.setup.target
        if isinstance(target, Recorded) and architecture.key in target.latencies:
            latency, noise = target.latencies[architecture.key], target.noise_floor
            return latency, None if noise is None else latency * noise, "recorded"
        latency = self.predict([architecture])[0]
        return latency, latency * float(self.summary["mape"]), "predicted"

    def costs(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """All costs that the search looks at, predicted latency included."""
        return self.setup.cost_table(architectures).assign(**{LATENCY: self.predict(architectures)})

    def save(self, folder: Path) -> None:
        """Writes the artefact; it is there when ``summary.json`` is."""
        self.predictor.save(folder, self.setup.guard)
        write_file(folder / "summary.json", json.dumps(self.summary))

    @classmethod
    def load(cls, folder: Path, setup: Setup) -> "LatencyModel":
        """Reads what `save` wrote.

        Raises:
            UsageError: the folder holds none, or one of another space, target or input shape.
        """
        path, again = folder / "summary.json", f"delete the folder {folder} and resume its run"
        if not path.exists():
            raise UsageError(f"{folder} holds no latency predictor; name the folder of a finished profile.")
        try:
            predictor = ArchitecturePredictor.load(folder, setup.guard, setup.traced, setup.config.profile.predictor)
        except UsageError as error:
            raise UsageError(f"{str(error).rstrip('.')}; {again} to make it again.") from error
        return cls(predictor, setup, read_object(path, again, *_SUMMARY))


def frozen_level(folder: RunFolder) -> float | None:
    """The latency of the largest network in milliseconds to which those of a run are relative; None without a profile.

    Raises:
        UsageError: the artefact is damaged.
    """
    path = folder.predictor / "summary.json"
    return folder.read(path, "reference_ms")["reference_ms"] if path.exists() else None
