"""The profile stage: measure some networks on the target, fit latency predictors, freeze the best."""

import inspect
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nas.hardware import Catalogue, LatencyCache, NoBlockTableError, Recorded, feature_table, measure_blocks
from nas.latency.model import LatencyModel
from nas.latency.sampling import Samples, take_samples
from nas.latency.transfer import transfer_predictor
from nas.parts import check_options
from nas.predictors import (
    PREDICTORS,
    ArchitecturePredictor,
    BlockTable,
    Encoding,
    LinearPredictor,
    LookupPredictor,
    TransferPredictor,
)
from nas.setup.checks import check_profile
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.setup.run_setup import Setup
from nas.wording import counted

__all__ = ["fit_latency"]

_MILLISECONDS = ("ms", "live ms")
_LOOKUP_COLUMNS = ("ms", "blocks", "live ms", "live blocks", "merges", "constants")


def fit_latency(setup: Setup, folder: RunFolder, progress: Progress) -> LatencyModel:
    """The run's latency model: the one it froze, that of another profile, or a new one from measurements.

    Measurements that an interrupted run took are kept and used.

    Raises:
        UsageError: the predictor that is asked for cannot be made for this space or target.
    """
    if (folder.predictor / "summary.json").exists():
        return LatencyModel.load(folder.predictor, setup)
    check_profile(setup.config)
    for note in setup.target.notes if isinstance(setup.target, Recorded) else ():
        progress.say(note)
    if setup.config.profile.run:
        model = LatencyModel.load(RunFolder(setup.config.profile.run).predictor, setup)
        progress.say(f"Latency predictor of {setup.config.profile.run}: {_described(model.summary)}.")
    else:
        model = _fitted(setup, folder, progress)
        progress.say(f"Latency predictor: {_described(model.summary)}.")
    model.save(folder.predictor)
    return model


def _fitted(setup: Setup, folder: RunFolder, progress: Progress) -> LatencyModel:
    """The predictor with the smallest error on samples left out of its fit; those held out only judge it."""
    catalogue = _catalogue(setup, progress)
    kinds = _kinds(setup, catalogue, progress)
    features = _table(setup, folder, catalogue, "lookup" in kinds, progress) if catalogue else setup.traced
    encoding = Encoding(setup.space, features)
    transfer = transfer_predictor(setup, encoding) if "transfer" in kinds else None
    started = time.perf_counter()
    samples = take_samples(setup, folder, encoding, transfer, progress)
    seconds = time.perf_counter() - started
    fitted = [_predictor(kind, setup, encoding, transfer).fit(samples.trained, samples.trained_ms) for kind in kinds]
    errors = [each.errors_on(samples.held_out, samples.held_out_ms) for each in fitted]
    best = min(range(len(fitted)), key=lambda index: fitted[index].model.errors.capped_mape)
    summary = {
        "kind": kinds[best],
        "samples": len(samples.trained),
        **_errors(errors[best]),
        "noise_floor": samples.noise_floor,
        "reference_ms": samples.reference_ms,
        "drift": samples.drift,
        "energy_mj": samples.energy_mj,
        "measuring_seconds": round(seconds, 1),
        "guard": setup.guard,
        "compared": [
            {
                "kind": kind,
                **_errors(error),
                "cross_validated": fitted[index].model.errors.capped_mape,
                "chosen": index == best,
            }
            for index, (kind, error) in enumerate(zip(kinds, errors, strict=True))
        ],
        "held_out": _held_out(samples, fitted[best]),
    }
    return LatencyModel(fitted[best], setup, summary)


def _catalogue(setup: Setup, progress: Progress) -> Catalogue | None:
    """The blocks of the space; None, and a word about it, where costs do not add up over blocks."""
    try:
        return setup.catalogue()
    except NoBlockTableError as error:
        if setup.config.profile.predictor == "lookup":
            raise
        progress.say(f"Networks are traced one by one, which is slower than adding up blocks: {error}")
        return None


def _kinds(setup: Setup, catalogue: Catalogue | None, progress: Progress) -> list[str]:
    """The predictors to compare."""
    profile = setup.config.profile
    transfer = ["transfer"] if profile.known else []
    if profile.predictor == "auto":
        return ["linear", "regression", *transfer]
    if profile.predictor != "all":
        return [profile.predictor]
    lookup = ["lookup"] if catalogue and not setup.is_recorded else []
    several = [block.path for block in catalogue.blocks if len(block.inputs) != 1] if catalogue and lookup else []
    if several:
        progress.say(f"Blocks are not measured one by one, since block '{several[0]}' takes several inputs.")
    return ["linear", *(lookup if not several else []), "regression", *transfer]


def _table(setup: Setup, folder: RunFolder, catalogue: Catalogue, measured: bool, progress: Progress) -> BlockTable:
    """Sums over the blocks of an architecture, with the milliseconds of each block if they are to be measured."""
    if not measured:
        return feature_table(catalogue)
    assert not isinstance(setup.target, Recorded)
    count = len(catalogue.blocks)
    with progress.task(f"Measuring {counted(count, 'block')} on {setup.target.name}", count) as task:
        cache = LatencyCache(folder.blocks)
        return feature_table(catalogue, measure_blocks(setup.target, setup.supernet, catalogue, cache, task.update))


def _predictor(
    kind: str, setup: Setup, encoding: Encoding, transfer: TransferPredictor | None
) -> ArchitecturePredictor:
    if kind == "linear":
        return ArchitecturePredictor(kind, Encoding(setup.space), LinearPredictor())
    if kind == "lookup":
        columns = [name for name in _LOOKUP_COLUMNS if name in encoding.features.columns]
        sums = Encoding(setup.space, encoding.features.part(columns))
        return ArchitecturePredictor(kind, sums, LookupPredictor(sums.one_hot))
    if transfer and kind == "transfer":
        return ArchitecturePredictor(kind, encoding, transfer)
    unmeasured = [name for name in encoding.features.columns if name not in _MILLISECONDS]
    features = Encoding(setup.space, encoding.features.part(unmeasured))
    make, offered = PREDICTORS[kind], {"one_hot": features.one_hot, "seed": setup.config.seed}
    options = check_options(make, setup.config.profile.predictor_args, f"predictor '{kind}'", offered)
    taken = {name: value for name, value in offered.items() if name in inspect.signature(make).parameters}
    return ArchitecturePredictor(kind, features, make(**taken, **options))


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
        f"{summary['kind']} from {counted(summary['samples'], 'network')}, {summary['within_10pct']:.0%} of "
        f"{counted(len(summary['held_out']['measured']), 'other')} within 10%, Spearman {summary['spearman']:.3f}, "
        f"mean error {summary['mape']:.1%}{repeated}{drift}"
    )
