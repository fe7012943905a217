"""``nas export``: any architecture of a run as ONNX, as the run would deliver it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from nas.data import InputForm
from nas.delivery.checks import check_delivered
from nas.delivery.exported import ExportedNetwork, check_dtype
from nas.delivery.networks import final_network, latency_row, restore_trained
from nas.hardware import Recorded
from nas.latency.measuring import measure_with_largest
from nas.latency.model import LatencyModel, frozen_level
from nas.retraining.delivered import Delivered
from nas.runs.wanted import find_architecture
from nas.setup.folder import RunFolder
from nas.setup.own_code import naming_own_parts
from nas.setup.progress import Progress, Silent
from nas.setup.run_setup import LATENCY, Setup
from nas.space import Architecture

__all__ = ["export_architecture", "network_of"]

_SECONDS = 2.0


def export_architecture(
    folder: RunFolder,
    wanted: str | None,
    out: Path | None,
    progress: Progress | None = None,
    form: InputForm | None = None,
) -> dict[str, Any]:
    """Exports one architecture of a run as ONNX: recalibrated or retrained, checked, evaluated, measured.

    Args:
        wanted: an architecture's id from ``candidates.csv``, or how only that begins, its JSON or a JSON file; by
            default the delivered network, with the weights of its retraining if there was one.
        out: the ONNX file to write; by default named by the architecture's id, in the run's folder.
        form: of the images that the network reads; by default that of the run.

    Raises:
        UsageError: the run has no trained supernet yet, or no such architecture.
    """
    config = folder.load_config()
    check_dtype(config)
    progress = progress or Silent()
    with naming_own_parts(config):
        setup = Setup(config, folder.path)
        architecture, network = network_of(setup, folder, wanted, progress)
        check_delivered(setup, [architecture])
        out = out or folder.path / f"{architecture.id}.onnx"
        exported = ExportedNetwork(setup, network, out, setup.inputs_of(architecture, form))
        progress.say(exported.compared())
        metrics = {
            **exported.with_own_metrics(setup.evaluate(network, setup.confirmation, architecture)),
            **setup.costs_of(architecture),
            **_latency(setup, folder, architecture, network, exported),
        }
    chosen = {"onnx": str(out), "architecture": dict(architecture), "metric": setup.metric.name}
    about = {"file": exported.write(architecture, metrics), "parity": asdict(exported.parity)}
    return {**chosen, **metrics, **about}


def network_of(
    setup: Setup, folder: RunFolder, wanted: str | None, progress: Progress
) -> tuple[Architecture, nn.Module]:
    """An architecture of a finished run and its plain network, trained as the run delivers it.

    Args:
        wanted: as for :func:`export_architecture`.

    Raises:
        UsageError: the run has no trained supernet yet, or no such architecture.
    """
    restore_trained(setup, folder)
    architecture, delivered = find_architecture(setup.space, folder, wanted), Delivered(folder)
    if wanted is None and delivered.is_retrained:
        return architecture, delivered.network(setup)
    return architecture, final_network(setup, folder, architecture, progress, progress.say)


def _latency(
    setup: Setup, folder: RunFolder, architecture: Architecture, network: nn.Module, exported: ExportedNetwork
) -> dict[str, Any]:
    """Measured now, at the speed of the profile stage, or what a table or its predictor says; and which of these."""
    if isinstance(setup.target, Recorded):
        latency, spread, source = LatencyModel.load(folder.predictor, setup).recall(architecture)
        return {LATENCY: latency, "latency_spread_ms": spread, "latency_source": source}
    measured = exported.measure(folder)
    if measured is None:
        measured = measure_with_largest(setup, {"this": (architecture, network)}, _SECONDS)["this"]
    level = frozen_level(folder)
    return latency_row(setup, measured.at(level) if level else measured)
