"""One verb from an architecture to a network that is ready to deploy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from nas.evaluation import Standalone
from nas.export import Parity, check_parity, write_onnx
from nas.runs.bench import Bench
from nas.runs.folder import RunFolder, versions
from nas.runs.progress import Progress
from nas.space import Architecture
from nas.training import Epoch

__all__ = ["deliver", "final_network"]


def final_network(bench: Bench, folder: RunFolder, architecture: Architecture, progress: Progress) -> nn.Module:
    """The plain network: recalibrated inherited weights, or retrained by itself if the run asks for that."""
    config = bench.config
    if config.retrain == "no":
        return bench.evaluator.network(architecture)
    trainer = Standalone(
        bench.supernet, bench.data, config.retraining, config.seed, inherit=config.retrain == "inherited"
    )
    with progress.task("Retraining the chosen network", config.retraining.epochs) as task:

        def report(epoch: Epoch) -> None:
            folder.log("retrain", **epoch)
            task.update(epoch["epoch"] + 1, f"loss {epoch['loss']:.3f}")

        return trainer.train(architecture, folder.retrained(architecture), report)


def deliver(
    bench: Bench, network: nn.Module, path: Path, architecture: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Parity:
    """Writes a network as ONNX and checks the file against PyTorch on the validation images.

    The file's metadata holds the architecture, its metrics, the classes, the normalisation of the input and the
    versions of the libraries.
    """
    data = bench.data
    metadata = {
        "architecture": json.dumps(dict(architecture)),
        "metrics": json.dumps(dict(metrics)),
        "classes": json.dumps(data.classes),
        "input_mean": json.dumps(data.mean),
        "input_std": json.dumps(data.std),
        "input_shape": json.dumps(data.input_shape),
        "versions": json.dumps(versions()),
    }
    write_onnx(network, path, data.input_shape, metadata=metadata)
    images = next(iter(data.validation.batches(len(data.validation))))[0]
    return check_parity(network, path, images)
