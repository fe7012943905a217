"""A network as the ONNX file that is handed over: made once; evaluated, measured and written as the same bytes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from nas.data import Inputs, Split
from nas.errors import UsageError
from nas.evaluation import evaluate, groups_of
from nas.export import (
    DTYPES,
    OnnxNetwork,
    Parity,
    check_parity,
    dynamic_onnx,
    lowered,
    reading,
    require_parity,
    with_metadata,
)
from nas.files import write_file
from nas.hardware import LatencyCache, Measurement, OnnxRuntime
from nas.latency.measuring import measure_file
from nas.setup.config import RunConfig
from nas.setup.folder import RunFolder
from nas.setup.libraries import versions
from nas.setup.run_setup import Setup

__all__ = ["ExportedNetwork", "check_dtype", "evaluate_file"]

_CALIBRATION_EXAMPLES = 512
_SECONDS = 2.0


def check_dtype(config: RunConfig) -> None:
    """Refuses a type in which networks can be measured, but none handed over."""
    if config.dtype not in DTYPES:
        raise UsageError(
            f"dtype is '{config.dtype}', in which networks can be measured (nas profile), but no ONNX file handed "
            f"over, since ONNX Runtime does not compute in it; give {', '.join(DTYPES[:-1])} or {DTYPES[-1]}."
        )


class ExportedNetwork:
    """The file of a network: in the run's dtype, with the normalisation of its inputs.

    It is made from a float32 model that was found to answer as the network on the validation split. In int8 the ranges
    of activations are those of the first 512 training examples.

    Args:
        setup: of the run.
        network: plain and trained.
        path: where the file is to be written.
        inputs: what it reads.

    Attributes:
        model: ONNX bytes without metadata.
        parity: how it compares with the network on the validation split.

    Raises:
        UsageError: the network cannot be exported, or does not answer as itself.
    """

    def __init__(self, setup: Setup, network: nn.Module, path: Path, inputs: Inputs) -> None:
        self.setup, self.path, self.inputs = setup, path, inputs
        self.dtype, self.task = setup.config.dtype, setup.data.task
        deployed = reading(network, self.inputs)
        exact = dynamic_onnx(deployed, self.inputs.shape, dtype=self.inputs.dtype)
        self.parity: Parity = require_parity(deployed, exact, self._validation(), self.task, path)
        self.model = lowered(exact, self.dtype, self._calibration())
        if self.dtype != "float32":
            self.parity = check_parity(deployed, self.model, self._validation(), self.task)

    def evaluate(self, split: Split) -> dict[str, float]:
        """The metrics of the file on a split, by ONNX Runtime on the CPU."""
        return _evaluated(self.setup, self.model, self.inputs, split)

    def with_own_metrics(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of the network in a row as it is in the file.

        The metrics of the file take the place of the network's: even in float32 it may read rounded pixels. Where it
        computes in another type, the main one of the network is kept as ``float32_`` and its name.
        """
        name = self.setup.metric.name
        exact = {} if self.dtype == "float32" else {f"float32_{name}": row[name]}
        return {**row, **exact, **self.evaluate(self.setup.confirmation)}

    def measure(self, folder: RunFolder) -> Measurement | None:
        """The latency of the file beside that of the largest network, once a run; None where ONNX files are not run."""
        target = self.setup.target
        if target.name != OnnxRuntime.name or self.setup.is_recorded:
            return None
        cache, conditions = LatencyCache(folder.finalists), (target.fingerprint(), self.inputs.shape)
        key = f"file {hashlib.sha256(self.model).hexdigest()}"
        found = cache.get(key, *conditions)
        if found is None:
            found = measure_file(self.setup, self.model, self.inputs, _SECONDS)
            cache.add(key, *conditions, found)
        return found

    def write(self, architecture: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Writes the file; tells its ``name``, ``dtype``, ``input``, ``bytes`` and so on.

        Its metadata hold the architecture, its metrics, what outputs mean, the input and the versions of the
        libraries, but nothing that another measurement would change: equal networks give equal files.
        """
        data = self.setup.data
        lasting = {name: value for name, value in metrics.items() if "latency" not in name}
        metadata = {
            "architecture": dict(architecture),
            "metrics": lasting,
            **self.task.describe(),
            "input": self.inputs.describe(),
            "input_shape": list(self.inputs.shape),
            "dtype": self.dtype,
            "versions": versions(),
        }
        content = with_metadata(self.model, {name: json.dumps(value) for name, value in metadata.items()})
        write_file(self.path, content)
        about = {
            "name": self.path.name,
            "dtype": self.dtype,
            "input": self.inputs.describe(),
            "answer": self.task.answer,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        if self.dtype == "int8":
            about["calibration_examples"] = min(_CALIBRATION_EXAMPLES, len(data.train))
        return about

    def compared(self) -> str:
        """A sentence on how the file compares with the network in PyTorch."""
        parity, where = self.parity, f"validation {self.setup.data.examples}"
        if self.dtype == "float32":
            return (
                f"ONNX agrees with PyTorch on {parity.label_agreement:.2%} of the answers for {parity.samples} {where} "
                f"(largest difference {parity.max_difference:.1e})."
            )
        return (
            f"{self.path.name} computes in {self.dtype}, with {self.task.agreement} as in float32 in "
            f"{parity.label_agreement:.2%} of the answers for {parity.samples} {where}; "
            "all that is said of it is its own."
        )

    def _validation(self) -> Iterator[Tensor]:
        return (x for x, _ in self.inputs.batches(self.setup.data.validation, 256))

    def _calibration(self) -> Iterator[np.ndarray]:
        size = 64
        batches = self.inputs.batches(self.setup.data.train, size)
        return (x.cpu().numpy() for x, _ in islice(batches, _CALIBRATION_EXAMPLES // size))


def evaluate_file(setup: Setup, path: Path, inputs: Inputs, split: Split) -> dict[str, float]:
    """The metrics of a file that a run has delivered and that reads these inputs, by ONNX Runtime on the CPU.

    Raises:
        UsageError: the file is damaged.
    """
    try:
        return _evaluated(setup, path, inputs, split)
    except UsageError as error:
        raise UsageError(f"{path} is damaged ({error}); delete it and resume the run to make it again.") from error


def _evaluated(setup: Setup, model: bytes | Path, inputs: Inputs, split: Split) -> dict[str, float]:
    batches = inputs.batches(split, setup.config.evaluation.batch_size)
    return evaluate(OnnxNetwork(model), batches, setup.data.task, groups_of(split))
