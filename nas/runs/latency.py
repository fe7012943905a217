"""The profile stage: measure some networks on the target, fit a latency predictor, freeze it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.files import write_file
from nas.hardware import Catalogue, LatencyCache, Recorded, feature_table, measure_blocks
from nas.predictors import (
    ArchitecturePredictor,
    BlockTable,
    Encoding,
    LinearPredictor,
    LookupPredictor,
    RegressionPredictor,
    TransferPredictor,
)
from nas.runs.bench import LATENCY, Bench
from nas.runs.config import RunConfig
from nas.runs.folder import RunFolder
from nas.runs.known import transfer_predictor
from nas.runs.platforms import known_platforms
from nas.runs.progress import Progress
from nas.runs.sampling import Samples, take_samples
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LatencyModel", "check_profile", "fit_latency", "frozen_level"]

_DECIDE = ("space", "space_args", "target", "target_args", "dtype", "threads", "latency_batch")
_DECIDE_OF_DEVICE = ("space", "space_args", "target_args")
_MILLISECONDS = ("ms", "live ms")
_LOOKUP_COLUMNS = ("ms", "blocks", "live ms", "live blocks", "merges", "constants")


@dataclass(frozen=True)
class LatencyModel:
    """A frozen predictor, so that the search is a function of the seed and this artefact.

    Attributes:
        predictor: architectures → milliseconds.
        bench: the space and the costs that need no device.
        summary: ``kind``, ``samples`` (networks that it learnt from), its errors on held-out networks
            (``within_5pct``, ``within_10pct``, ``spearman``, ``mape``), ``noise_floor``, ``reference_ms`` (of the
            largest network, to which all latencies are relative), ``drift``, ``energy_mj``, ``measuring_seconds``,
            ``guard``, ``compared`` (a row a predictor) and ``held_out`` (``ids``, ``measured`` and ``predicted``
            milliseconds).
    """

    predictor: ArchitecturePredictor
    bench: Bench
    summary: Mapping[str, Any]

    def predict(self, architectures: Sequence[Architecture]) -> list[float]:
        """Milliseconds for each architecture, never below zero."""
        return [max(0.0, float(value)) for value in self.predictor.predict(architectures)[0]]

    def recall(self, architecture: Architecture) -> tuple[float, float | None, str]:
        """Milliseconds without measuring, how far a measurement is from them in the mean, and where they come from.

        That is "recorded" if the target is a table that has the architecture (the second number is None if nothing
        was measured twice), else "predicted".
        """
        target = self.bench.target
        if isinstance(target, Recorded) and architecture.key in target.latencies:
            latency, noise = target.latencies[architecture.key], target.noise_floor
            return latency, None if noise is None else latency * noise, "recorded"
        latency = self.predict([architecture])[0]
        return latency, latency * float(self.summary["mape"]), "predicted"

    def costs(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """All costs that the search looks at, predicted latency included."""
        return self.bench.cost_table(architectures).assign(**{LATENCY: self.predict(architectures)})

    def save(self, folder: Path) -> None:
        """Writes the artefact; it is there when ``summary.json`` is."""
        self.predictor.save(folder, self.bench.guard)
        write_file(folder / "summary.json", json.dumps(self.summary))

    @classmethod
    def load(cls, folder: Path, bench: Bench) -> "LatencyModel":
        """Reads what `save` wrote.

        Raises:
            UsageError: the folder holds none, or one of another space, target or input shape.
        """
        path = folder / "summary.json"
        try:
            summary = json.loads(path.read_text())
        except FileNotFoundError:
            raise UsageError(f"{folder} holds no latency predictor; name the folder of a finished profile.") from None
        except ValueError as error:
            raise UsageError(f"{path} is damaged ({error}); profile again.") from None
        return cls(ArchitecturePredictor.load(folder, bench.guard), bench, summary)


def fit_latency(bench: Bench, folder: RunFolder, progress: Progress) -> LatencyModel:
    """The run's latency model: the one it froze, that of another profile, or a new one from measurements.

    Measurements that an interrupted run took are kept and used.

    Raises:
        UsageError: the predictor that is asked for cannot be made for this space or target.
    """
    if (folder.predictor / "summary.json").exists():
        return LatencyModel.load(folder.predictor, bench)
    check_profile(bench.config)
    if bench.config.profile.run:
        model = LatencyModel.load(RunFolder(bench.config.profile.run).predictor, bench)
        progress.say(f"Latency predictor of {bench.config.profile.run}: {_described(model.summary)}.")
    else:
        model = _fitted(bench, folder, progress)
        progress.say(f"Latency predictor: {_described(model.summary)}.")
    model.save(folder.predictor)
    return model


def frozen_level(folder: RunFolder) -> float | None:
    """The latency of the largest network in milliseconds to which those of a run are relative; None without a profile.

    Raises:
        UsageError: the artefact is damaged.
    """
    path = folder.predictor / "summary.json"
    return folder.read(path)["reference_ms"] if path.exists() else None


def check_profile(config: RunConfig) -> None:
    """Refuses known devices of one platform, and a predictor of ``profile.run`` that is not there or of something else.

    Raises:
        UsageError: there is no such profile, it is not finished, or it differs in space, target or settings; or
            ``profile.known`` names a device twice or no two platforms.
    """
    known_platforms(config.profile.known)
    if config.profile.run is None:
        return
    folder = RunFolder(config.profile.run)
    stored = folder.load_config()
    if not (folder.predictor / "summary.json").exists():
        raise UsageError(f"{folder.path} has no latency predictor yet; finish that profile, or profile again.")
    own_table = (folder.path / Path(stored.target).name).resolve() == Path(config.target).resolve()
    for key in _DECIDE_OF_DEVICE if own_table else _DECIDE:
        theirs, ours = getattr(stored, key), getattr(config, key)
        if theirs != ours:
            raise UsageError(
                f"the predictor of {folder.path} is of {key}={theirs!r}, but {ours!r} is asked for; "
                "ask for the same, or profile again."
            )


def _fitted(bench: Bench, folder: RunFolder, progress: Progress) -> LatencyModel:
    """The predictor with the smallest error on samples left out of its fit; those held out only judge it."""
    kinds = _kinds(bench)
    table = _table(bench, folder, kinds, progress)
    encoding = Encoding(bench.space, table)
    transfer = transfer_predictor(bench, encoding) if "transfer" in kinds else None
    started = time.perf_counter()
    samples = take_samples(bench, folder, encoding, transfer, progress)
    seconds = time.perf_counter() - started
    fitted = [_predictor(kind, bench, encoding, transfer).fit(samples.trained, samples.trained_ms) for kind in kinds]
    errors = [each.errors_on(samples.held_out, samples.held_out_ms) for each in fitted]
    best = min(range(len(fitted)), key=lambda place: fitted[place].model.errors.capped_mape)
    summary = {
        "kind": kinds[best],
        "samples": len(samples.trained),
        **_errors(errors[best]),
        "noise_floor": samples.noise_floor,
        "reference_ms": samples.reference_ms,
        "drift": samples.drift,
        "energy_mj": samples.energy_mj,
        "measuring_seconds": round(seconds, 1),
        "guard": bench.guard,
        "compared": [
            {
                "kind": kind,
                **_errors(error),
                "cross_validated": fitted[place].model.errors.capped_mape,
                "chosen": place == best,
            }
            for place, (kind, error) in enumerate(zip(kinds, errors, strict=True))
        ],
        "held_out": _held_out(samples, fitted[best]),
    }
    return LatencyModel(fitted[best], bench, summary)


def _kinds(bench: Bench) -> list[str]:
    profile = bench.config.profile
    transfer = ["transfer"] if profile.known else []
    if profile.predictor == "auto":
        return ["linear", "regression", *transfer]
    if profile.predictor == "all":
        return ["linear", *(["lookup"] if _blocks_can_be_measured(bench) else []), "regression", *transfer]
    return [profile.predictor]


def _blocks_can_be_measured(bench: Bench) -> bool:
    """Whether a lookup table can be made: on a runtime, where costs add up over blocks of one input each."""
    if bench.is_recorded:
        return False
    try:
        catalogue = Catalogue(bench.supernet, bench.data.input_shape)
    except UsageError:  # `_table` tells it
        return False
    return all(len(block.inputs) == 1 for block in catalogue.blocks)


def _table(bench: Bench, folder: RunFolder, kinds: Sequence[str], progress: Progress) -> BlockTable | None:
    """Sums over the blocks of an architecture, measured ones where a predictor needs them; None where none exist."""
    try:
        catalogue = Catalogue(bench.supernet, bench.data.input_shape)
    except UsageError as error:
        if "lookup" in kinds:
            raise
        progress.say(f"Latency is learnt from the choices alone: {error}")
        return None
    if "lookup" not in kinds:
        several = [block.path for block in catalogue.blocks if len(block.inputs) != 1]
        if several and bench.config.profile.predictor == "all" and not bench.is_recorded:
            progress.say(f"Blocks are not measured one by one, since block '{several[0]}' takes several inputs.")
        return feature_table(catalogue)
    assert not isinstance(bench.target, Recorded)
    count = len(catalogue.blocks)
    with progress.task(f"Measuring {count} blocks on {bench.target.name}", count) as task:
        cache = LatencyCache(folder.blocks)
        return feature_table(catalogue, measure_blocks(bench.target, bench.supernet, catalogue, cache, task.update))


def _predictor(
    kind: str, bench: Bench, encoding: Encoding, transfer: TransferPredictor | None
) -> ArchitecturePredictor:
    if kind == "linear":
        return ArchitecturePredictor(kind, Encoding(bench.space), LinearPredictor())
    if kind == "lookup":
        columns = [name for name in _LOOKUP_COLUMNS if name in encoding.table.columns]
        sums = Encoding(bench.space, encoding.table.part(columns))
        return ArchitecturePredictor(kind, sums, LookupPredictor(sums.one_hot))
    if transfer and kind == "transfer":
        return ArchitecturePredictor(kind, encoding, transfer)
    unmeasured = [name for name in encoding.table.columns if name not in _MILLISECONDS]
    features = Encoding(bench.space, encoding.table.part(unmeasured))
    return ArchitecturePredictor(kind, features, RegressionPredictor(features.one_hot, seed=bench.config.seed))


def _errors(errors: Any) -> dict[str, float]:
    values = asdict(errors)
    return {name: values[name] for name in ("within_5pct", "within_10pct", "spearman", "mape")}


def _held_out(samples: Samples, predictor: ArchitecturePredictor) -> dict[str, list[Any]]:
    predicted = predictor.predict(samples.held_out)[0]
    return {
        "ids": [each.id for each in samples.held_out],
        "measured": samples.held_out_ms.tolist(),
        "predicted": predicted.tolist(),
    }


def _described(summary: Mapping[str, Any]) -> str:
    floor = summary["noise_floor"]
    repeated = "" if floor is None else f"; two measurements differ by {floor:.1%}"
    drift = "" if summary["drift"] is None else f"; the machine's speed varied by {summary['drift']:.0%}"
    return (
        f"{summary['kind']} from {summary['samples']} networks, {summary['within_10pct']:.0%} of "
        f"{len(summary['held_out']['measured']):,} others within 10%, Spearman {summary['spearman']:.3f}, "
        f"mean error {summary['mape']:.1%}{repeated}{drift}"
    )
