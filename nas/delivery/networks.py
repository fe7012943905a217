"""One verb from an architecture to a network that is ready to deploy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from nas.delivery.comparison import is_better
from nas.delivery.exported import ExportedNetwork
from nas.delivery.rebuilding import write_weights
from nas.delivery.selection import tested, warnings
from nas.errors import UsageError
from nas.evaluation import Standalone
from nas.evaluation.evaluators import MakesNetworks, made_network
from nas.hardware import Measurement, Recorded
from nas.report.quantities import label, written
from nas.search import Constraint
from nas.setup.finding import resuming
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.setup.run_setup import LATENCY, Setup
from nas.space import Architecture
from nas.tasks import Metric
from nas.training import Epoch, check_fingerprint, fingerprint, has_ended, load_checkpoint, read_header, restore

__all__ = [
    "broken_constraints",
    "deliver",
    "delivery_notes",
    "evaluated_network",
    "final_network",
    "latency_row",
    "precision_lost",
    "restore_trained",
]


def final_network(
    setup: Setup, folder: RunFolder, architecture: Architecture, progress: Progress, say: Callable[[str], None]
) -> nn.Module:
    """The plain network: as it was evaluated, or trained by itself if the run asks for that.

    Where the supernet was trained for its networks as they are, the retrained one must be better, which is said if it
    is not. A differentiable method trains another model, or mixtures, whose weights do not compete.
    """
    config = setup.config
    if config.retrain == "no":
        return evaluated_network(setup, architecture)
    trainer = Standalone(
        setup.supernet, setup.data, config.retraining, config.seed, inherit=config.retrain == "inherited"
    )
    with progress.task(f"Retraining {architecture.id}", config.retraining.epochs) as task:

        def report(epoch: Epoch) -> None:
            folder.log("retrain", **epoch)
            task.update(epoch["epoch"] + 1, f"loss {epoch['loss']:.3f}")

        trained = trainer.train(architecture, folder.retrained(architecture), report)
    if setup.is_differentiable or setup.searched is not setup.supernet or not setup.traits.makes_networks:
        return trained
    inherited = evaluated_network(setup, architecture)
    file, inputs = folder.path / f"{architecture.id}.onnx", setup.inputs_of(architecture)
    new, old = ((ExportedNetwork(setup, each, file, inputs).model, inputs) for each in (trained, inherited))
    if is_better(setup, new, old):
        return trained
    kept = "of the supernet" if setup.traits.needs_supernet else "with which it was evaluated"
    say(
        f"{architecture.id} keeps the weights {kept}: retrained it is not ahead by more than one standard "
        "error of the paired difference on the part of the validation split that selects."
    )
    return inherited


def evaluated_network(setup: Setup, architecture: Architecture) -> nn.Module:
    """The network of an architecture as the evaluator of the run evaluates it."""
    assert isinstance(setup.evaluator, MakesNetworks), "the configuration was checked"
    return made_network(setup.config.evaluator, setup.evaluator, architecture)


def deliver(
    setup: Setup,
    folder: RunFolder,
    network: nn.Module,
    row: Mapping[str, Any],
    largest_ms: float,
    progress: Progress,
    path: Path,
) -> dict[str, Any]:
    """Writes a network as ONNX to be handed over, its weights beside it; gives its row with what that file scores.

    ``test_`` and the name of the metric is its one reading of the test split, ``file`` what the file is, ``parity`` how
    it compares with PyTorch.

    Args:
        row: what is known of the network, its architecture in plain values.
        largest_ms: latency of the largest network, at whose speed of the machine that of the file is told.
        path: the file to write.

    Raises:
        UsageError: the file would not answer as the network.
    """
    exported = ExportedNetwork(setup, network, path, setup.inputs_of(row["architecture"]))
    progress.say(exported.compared())
    row = {**exported.with_own_metrics(row), **tested(setup.metric, exported.evaluate(setup.data.test))}
    if measured := exported.measure(folder):
        row |= latency_row(setup, measured.at(largest_ms))
    if not write_weights(setup, network, row["architecture"], path):
        progress.say(f"{path.name} has no weights of PyTorch beside it: its evaluator made a network of another form.")
    return {**row, "file": exported.write(row["architecture"], row), "parity": asdict(exported.parity)}


def broken_constraints(
    constraints: Sequence[Constraint], best: Mapping[str, Any], largest: Mapping[str, Any]
) -> list[str]:
    """A sentence for each constraint that the network in the file breaks, though it was chosen under all of them."""
    bounds = [constraint.resolve(largest) for constraint in constraints]
    return [
        f"As handed over, {best['file']['name']} breaks '{constraint}': {constraint.metric} is "
        f"{best[constraint.metric]:.4g}, where {bound} was asked for."
        for constraint, bound in zip(constraints, bounds, strict=True)
        if bound.violation(best) > 0
    ]


def delivery_notes(setup: Setup, best: Mapping[str, Any], largest: Mapping[str, Any]) -> list[str]:
    """What whoever gets the file must know of it."""
    return [
        *broken_constraints(setup.constraints, best, largest),
        *precision_lost(setup.metric, best),
        *warnings(setup, dict(best)),
    ]


def precision_lost(metric: Metric, best: Mapping[str, Any]) -> list[str]:
    """A sentence if the file scores worse than the network in float32 by more than chance explains."""
    name, dtype = metric.name, best["file"]["dtype"]
    exact = best.get(f"float32_{name}", best[name])
    if best[f"{name}_low"] <= exact <= best[f"{name}_high"] or metric.maximise != (exact > best[name]):
        return []
    score, was = written(name, best[name]), written(name, exact)
    return [
        f"In {dtype} {best['file']['name']} has {label(name).lower()} {score}, where the network has {was} in float32; "
        "leave dtype out, or retrain."
    ]


def latency_row(setup: Setup, measured: Measurement) -> dict[str, Any]:
    """What was measured, by the names that it has in a row, and where."""
    assert not isinstance(setup.target, Recorded)
    latency, spread = measured.latency_ms, measured.spread_ms
    return {LATENCY: latency, "latency_spread_ms": spread, "latency_source": setup.target.latency_source}


def restore_trained(setup: Setup, folder: RunFolder) -> None:
    """Gives the searched supernet the weights that the run trained it to, if its evaluator needs any.

    Raises:
        UsageError: the training has not ended.
    """
    if not setup.traits.needs_supernet:
        return
    if not (folder.supernet.exists() and has_ended(read_header(folder.supernet))):
        raise UsageError(f"run '{folder.name}' has no trained supernet yet; finish it with: {resuming(folder)}")
    tensors, header = load_checkpoint(folder.supernet)
    example = next(iter(setup.data.train.batches(1)))[0]
    check_fingerprint(header, fingerprint(setup.searched, example), folder.supernet)
    restore(tensors, setup.searched)
