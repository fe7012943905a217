"""A float ONNX model becomes an int8 one: static quantisation, with the ranges of activations seen on real inputs."""

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.errors import UsageError
from nas.export.session import name_of, opened

if TYPE_CHECKING:
    import onnx

__all__ = ["quantise"]

_LARGEST = 1e30
"""Beyond it a number stands for an infinity."""


def quantise(model: bytes | str | Path, batches: Iterable[np.ndarray]) -> bytes:
    """The ONNX model with int8 weights and uint8 activations, in the QDQ format that every runtime reads.

    Weights get a scale for each output channel, activations the smallest and largest value that ``batches`` bring
    about; biases become int32. Weights use -64 to 64 alone, so that the file answers alike everywhere: x86 processors
    without VNNI instructions add two products in 16 bits, which larger weights overflow. What adds or reads infinities,
    as the mask of causal attention does, stays in floating point. A graph without input comes back as it is.

    Args:
        model: ONNX bytes or a file with one input, whose weights are float32.
        batches: inputs ``[N, ...]`` of the model's type, prepared as for evaluation; a few hundred examples do.

    Raises:
        UsageError: the model cannot be read or quantised, has several inputs, or the batches are none or do not fit.
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        plain, quantised = Path(folder) / "plain.onnx", Path(folder) / "quantised.onnx"
        _simplify(model, plain)
        graph = onnx.load(plain).graph
        inputs = graph.input
        if not inputs:
            return plain.read_bytes()
        if len(inputs) > 1:
            raise UsageError(f"{name_of(model)} has {len(inputs)} inputs, but only models with one can be quantised.")
        _quantise_file(plain, quantised, _feeds(inputs[0], batches), _unbounded(graph), name_of(model))
        return quantised.read_bytes()


def _simplify(model: bytes | str | Path, path: Path) -> None:
    """Writes the model without what stands between an operation and its weights: batch norm, identities, constants."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    opened(model, options, "CPUExecutionProvider")


def _unbounded(graph: "onnx.GraphProto") -> list[str]:
    """The names of the nodes that read infinities, which have no range to quantise; a softmax makes them finite.

    Some exporters write the lowest number there is in place of an infinity.
    """
    from onnx.numpy_helper import to_array

    infinite = {each.name for each in graph.initializer if (np.abs(to_array(each)) > _LARGEST).any()}
    found = []
    for node in graph.node:
        if infinite.intersection(node.input):
            found.append(node.name)
            if node.op_type != "Softmax":
                infinite.update(node.output)
    return found


def _quantise_file(
    source: Path, target: Path, feeds: Iterator[dict[str, np.ndarray]], excluded: list[str], name: str
) -> None:
    from onnxruntime.capi import onnxruntime_pybind11_state as errors
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(feeds, None)

    try:
        with _quiet_root_logger(), np.errstate(invalid="ignore"):  # infinite ranges are worked out, and not used
            quantize_static(
                source,
                target,
                Reader(),
                nodes_to_exclude=excluded,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
    except (errors.InvalidArgument, errors.Fail, errors.NotImplemented) as error:
        raise UsageError(
            f"{name} cannot be quantised ({str(error).splitlines()[0]}); "
            "give a float32 model and inputs of the shape and type that it takes."
        ) from error


def _feeds(expected: "onnx.ValueInfoProto", batches: Iterable[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """The batches by input name; raises UsageError when they end before the first."""
    fed = False
    for batch in batches:
        fed = True
        yield {expected.name: batch}
    if not fed:
        raise UsageError("quantisation got no batch to see the range of activations on; give at least one.")


@contextlib.contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """Drop what the quantiser says on the root logger, which would also install a handler there."""
    root, nowhere = logging.getLogger(), logging.NullHandler()
    root.addHandler(nowhere)
    root.addFilter(_nothing)
    try:
        yield
    finally:
        root.removeFilter(_nothing)
        root.removeHandler(nowhere)


def _nothing(_: Any) -> bool:
    return False
