"""One verb from an architecture to a network that is ready to deploy."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from nas.errors import UsageError
from nas.evaluation import Standalone
from nas.export import Parity, check_parity, write_onnx
from nas.hardware import Recorded
from nas.runs.bench import LATENCY, Bench
from nas.runs.delivery_checks import check_delivered
from nas.runs.folder import RunFolder
from nas.runs.latency import LatencyModel, frozen_level
from nas.runs.progress import Progress, Silent
from nas.runs.session import measure_with_largest
from nas.runs.versions import versions
from nas.space import Architecture
from nas.training import Epoch, load_checkpoint, restore

__all__ = ["deliver", "export_architecture", "final_network", "restore_trained"]

_SECONDS = 2.0


def final_network(bench: Bench, folder: RunFolder, architecture: Architecture, progress: Progress) -> nn.Module:
    """The plain network: recalibrated inherited weights, or retrained by itself if the run asks for that."""
    config = bench.config
    if config.retrain == "no":
        return bench.evaluator.network(architecture)
    trainer = Standalone(
        bench.supernet, bench.data, config.retraining, config.seed, inherit=config.retrain == "inherited"
    )
    with progress.task(f"Retraining {architecture.id}", config.retraining.epochs) as task:

        def report(epoch: Epoch) -> None:
            folder.log("retrain", **epoch)
            task.update(epoch["epoch"] + 1, f"loss {epoch['loss']:.3f}")

        return trainer.train(architecture, folder.retrained(architecture), report)


def deliver(
    bench: Bench, network: nn.Module, path: Path, architecture: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Parity:
    """Writes a network as ONNX and checks the file against PyTorch on the validation split.

    The file's metadata holds the architecture, its metrics, the classes, what the data tell of the input, its shape and
    the versions of the libraries.
    """
    data = bench.data
    metadata = {
        "architecture": json.dumps(dict(architecture)),
        "metrics": json.dumps(dict(metrics)),
        "classes": json.dumps(data.classes),
        **data.metadata(),
        "input_shape": json.dumps(data.input_shape),
        "versions": json.dumps(versions()),
    }
    write_onnx(network, path, data.input_shape, dtype=data.input_dtype, metadata=metadata)
    inputs = next(iter(data.validation.batches(len(data.validation))))[0]
    return check_parity(network, path, inputs)


def export_architecture(
    folder: RunFolder, wanted: str | None, out: Path | None, progress: Progress | None = None
) -> dict[str, Any]:
    """Exports one architecture of a run as ONNX: recalibrated or retrained, checked against PyTorch, measured.

    Args:
        wanted: an architecture's id from ``candidates.csv`` or its JSON; the chosen one by default.
        out: the ONNX file to write; by default named by the architecture's id, in the run's folder.

    Raises:
        UsageError: the run has no trained supernet yet, or no such architecture.
    """
    bench = Bench(folder.load_config())
    restore_trained(bench, folder)
    architecture = _find_architecture(bench, folder, wanted)
    check_delivered(bench, [architecture])
    network = final_network(bench, folder, architecture, progress or Silent())
    metrics = {
        **bench.judge(network, bench.data.validation),
        **bench.costs(architecture),
        **_latency(bench, folder, architecture, network),
    }
    out = out or folder.path / f"{architecture.id}.onnx"
    parity = deliver(bench, network, out, architecture, metrics)
    chosen = {"onnx": str(out), "architecture": dict(architecture), "metric": bench.metric.name}
    return {**chosen, **metrics, "parity": asdict(parity)}


def _latency(bench: Bench, folder: RunFolder, architecture: Architecture, network: nn.Module) -> dict[str, Any]:
    """Measured now, at the speed of the profile stage, or what a table or its predictor says; and which of these."""
    if isinstance(bench.target, Recorded):
        latency, spread, source = LatencyModel.load(folder.predictor, bench).recall(architecture)
        return {LATENCY: latency, "latency_spread_ms": spread, "latency_source": source}
    measurement = measure_with_largest(bench, {architecture.key: network}, _SECONDS)[architecture.key]
    level = frozen_level(folder)
    measurement = measurement.at(level) if level else measurement
    return {
        LATENCY: measurement.latency_ms,
        "latency_spread_ms": measurement.spread_ms,
        "latency_source": "measured",
    }


def restore_trained(bench: Bench, folder: RunFolder) -> None:
    """Gives the searched supernet the weights that the run trained it to.

    Raises:
        UsageError: the training has not ended.
    """
    tensors, header = load_checkpoint(folder.supernet) if folder.supernet.exists() else ({}, {"history": []})
    if len(header["history"]) < bench.config.training.epochs:
        raise UsageError(f"run '{folder.name}' has no trained supernet yet; finish it with: nas resume {folder.name}")
    restore(load_checkpoint(folder.last_tuned)[0] if folder.last_tuned else tensors, bench.searched)


def _find_architecture(bench: Bench, folder: RunFolder, wanted: str | None) -> Architecture:
    if wanted is None:
        if not folder.best.exists():
            raise UsageError(f"run '{folder.name}' has no result yet; finish it with: nas resume {folder.name}")
        return bench.space.architecture(folder.read(folder.best)["best"]["architecture"])
    if wanted.lstrip().startswith("{"):
        return bench.space.architecture(Architecture.from_json(wanted))
    table = folder.candidates
    found = _architectures_by_id(table) if table.exists() else {}
    if wanted not in found:
        raise UsageError(f"architecture '{wanted}' is not in {table}; give an id from there, or JSON.")
    return bench.space.architecture(Architecture.from_json(found[wanted]))


def _architectures_by_id(table: Path) -> dict[str, str]:
    import pandas as pd

    try:
        rows = pd.read_csv(table, dtype=str)
        return dict(zip(rows["id"], rows["architecture"], strict=True))
    except (ValueError, KeyError) as error:
        raise UsageError(f"{table} is damaged ({error}); give the architecture as JSON instead.") from None
