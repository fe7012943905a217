"""A plain PyTorch module becomes one ONNX file (or, for measuring, ONNX bytes).

Two exporters are used on purpose. The file that is deployed comes from the ``torch.export`` based exporter, with
a dynamic batch dimension. Dozens of networks are measured on the graph of the older TorchScript exporter with a fixed
batch: ONNX Runtime runs both graphs about equally fast (the file takes 0.96 to 1.04 of the time, on mobile networks and
transformers in every type; see :mod:`nas.export.free_batch`), and it is written ten to thirty times sooner (0.1 s, not
2 s).

What exporters note beside the graph (stack traces with paths and source lines) is dropped, so that equal networks
give equal bytes wherever they are exported.
"""

import contextlib
import copy
import io
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.export.free_batch import for_free_batch
from nas.files import write_file
from nas.nn.parametrised import recompute

if TYPE_CHECKING:
    import onnx

__all__ = [
    "dynamic_onnx", "example_input", "inference_copy", "noted_model", "static_onnx", "with_metadata", "write_onnx",
]  # fmt: skip

logger = logging.getLogger(__name__)


def write_onnx(
    network: nn.Module,
    path: str | Path,
    input_shape: Sequence[int],
    *,
    dtype: torch.dtype = torch.float32,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write ``network`` as :func:`dynamic_onnx` makes it; ``metadata`` becomes the file's metadata properties.

    Raises:
        UsageError: the network cannot be exported or fixes its batch size.
    """
    model = dynamic_onnx(network, input_shape, dtype=dtype)
    return write_file(path, with_metadata(model, metadata or {}))


def dynamic_onnx(network: nn.Module, input_shape: Sequence[int], *, dtype: torch.dtype = torch.float32) -> bytes:
    """The network in eval mode as checked ONNX bytes whose first dimension, ``batch``, is free.

    ``input_shape`` is the shape of one example without the batch, such as ``(3, 224, 224)``; ``dtype`` is that of
    the input (``torch.int64`` for token ids). The graph's input is named ``input`` and its output ``output``. The
    network itself is left as it was.

    Raises:
        UsageError: the network cannot be exported or fixes its batch size.
    """
    import onnx

    model = for_free_batch(noted_model(network, example_input(input_shape, batch=2, dtype=dtype)))
    _drop_notes(model)
    _require_dynamic_batch(model, network)
    _name_batch(model.graph)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def noted_model(network: nn.Module, example: Tensor) -> "onnx.ModelProto":
    """The model of which `dynamic_onnx` keeps the graph, with the exporter's notes of which module made what.

    Raises:
        UsageError: the network cannot be exported.
    """
    return _export_dynamo(inference_copy(network), example, fixed_batch=False)


def with_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """The ONNX model with these metadata properties instead of its own."""
    import onnx

    changed = onnx.load_from_string(model)
    onnx.helper.set_model_props(changed, dict(metadata))
    return bytes(changed.SerializeToString())


def static_onnx(
    network: nn.Module, input_shape: Sequence[int], *, batch: int = 1, dtype: torch.dtype = torch.float32
) -> bytes:
    """The network in eval mode as ONNX bytes with a fixed batch size, written fast, for measuring only.

    Operations that the TorchScript exporter does not know, or mixes types of, send the network to the slower exporter
    of ``write_onnx``, with a warning in the log.

    Raises:
        UsageError: no exporter can write the network.
    """
    import onnx

    example = example_input(input_shape, batch=batch, dtype=dtype)
    plain = inference_copy(network)
    try:
        model = _export_torchscript(plain, example)
        onnx.shape_inference.infer_shapes(model, check_type=True)
        return model
    except (torch.onnx.errors.UnsupportedOperatorError, onnx.shape_inference.InferenceError) as error:
        logger.warning("%s takes the slower ONNX exporter: %s", type(network).__name__, _first_line(error))
        slower = _export_dynamo(plain, example, fixed_batch=True)
        _drop_notes(slower)
        return bytes(slower.SerializeToString())
    except (RuntimeError, TypeError) as error:
        raise _not_exportable(network, example, error) from error


def inference_copy(network: nn.Module) -> nn.Module:
    """A copy of ``network`` on the CPU, in eval mode and without gradients."""
    recompute(network)
    return copy.deepcopy(network).cpu().eval().requires_grad_(False)


def example_input(input_shape: Sequence[int], *, batch: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """A CPU tensor ``[batch, *input_shape]``: seeded normal numbers, bytes from 0 to 255, or zeros as token ids."""
    if any(not isinstance(size, int) or size < 1 for size in input_shape):
        raise UsageError(
            f"input_shape is {tuple(input_shape)}, but it must hold positive whole numbers: "
            "give the shape of one example without the batch, such as (3, 32, 32)."
        )
    shape, draws = (batch, *input_shape), torch.Generator().manual_seed(0)
    if dtype == torch.uint8:
        return torch.randint(256, shape, generator=draws, dtype=dtype)
    if not dtype.is_floating_point:
        return torch.zeros(shape, dtype=dtype)
    return torch.randn(shape, generator=draws).to(dtype)


def _export_torchscript(network: nn.Module, example: Tensor) -> bytes:
    with tempfile.TemporaryDirectory() as folder, _quiet(), _closed_descriptor(1):
        path = Path(folder) / "network.onnx"
        torch.onnx.export(network, (example,), path, dynamo=False, input_names=["input"], output_names=["output"])
        return path.read_bytes()


def _export_dynamo(network: nn.Module, example: Tensor, *, fixed_batch: bool) -> "onnx.ModelProto":
    batch = {} if fixed_batch else {0: torch.export.Dim.AUTO}
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                dynamic_shapes=(batch,),
                input_names=["input"],
                output_names=["output"],
                verbose=False,
            )
    except (RuntimeError, TypeError) as error:
        raise _not_exportable(network, example, error) from error
    assert program is not None
    return program.model_proto


def _drop_notes(message: Any) -> None:
    """Drops documentation and metadata of a protobuf message and all that it holds: graph, nodes, values, functions."""
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                _drop_notes(part)


def _require_dynamic_batch(model: "onnx.ModelProto", network: nn.Module) -> None:
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if not dimensions or not dimensions[0].dim_param:
            raise UsageError(
                f"{type(network).__name__} fixes the batch size of its {value.name!r}: write forward() so that the "
                "first dimension follows the input, for example x.flatten(1) instead of a constant batch in reshape()."
            )


def _name_batch(graph: "onnx.GraphProto") -> None:
    """Calls the batch dimension ``batch``, also where others are computed from it, such as ``4*batch``."""
    symbol = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_param = re.sub(rf"\b{symbol}\b", "batch", dimension.dim_param)


def _not_exportable(network: nn.Module, example: Tensor, error: Exception) -> UsageError:
    return UsageError(
        f"{type(network).__name__} cannot be written as ONNX for an input of shape {tuple(example.shape)} and type "
        f"{example.dtype}: {_first_line(error)}; check the input shape, or replace the part that ONNX lacks."
    )


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or error
    return (str(cause).strip() or repr(cause)).splitlines()[0].rstrip(".!")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporters' progress prints, warnings and log lines; errors still raise."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [each.level for each in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for each in loggers:
            each.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)


@contextlib.contextmanager
def _closed_descriptor(number: int) -> Iterator[None]:
    """Silence what C++ prints: the TorchScript exporter dumps its graph on standard output before it raises."""
    saved = os.dup(number)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), number)
    try:
        yield
    finally:
        os.dup2(saved, number)
        os.close(saved)
