"""A float32 ONNX model becomes one that computes in another type; what goes in and comes out keeps its type."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import UsageError, did_you_mean
from nas.export.quantisation import quantise

if TYPE_CHECKING:
    import onnx

__all__ = ["DTYPES", "lowered"]

DTYPES = ("float32", "float16", "int8")
"""What a file computes in. ONNX Runtime has no bfloat16 on processors."""


def lowered(model: bytes, dtype: str, batches: Iterable[np.ndarray]) -> bytes:
    """The model in one of `DTYPES`, with float32 inputs and outputs as before.

    Args:
        model: ONNX bytes in float32.
        dtype: what it is to compute in.
        batches: inputs that int8 takes the ranges of activations from, see :func:`quantise`; else they are not read.

    Raises:
        UsageError: for another type, or a model that cannot be quantised.
    """
    if dtype not in DTYPES:
        raise UsageError(f"dtype is '{dtype}', which no ONNX file is written in; {did_you_mean(dtype, DTYPES)}")
    if dtype == "float16":
        return _half(model)
    return quantise(model, batches) if dtype == "int8" else model


def _half(model: bytes) -> bytes:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    changed = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    _casts_first(changed)
    _own_vectors(changed.graph)
    onnx.checker.check_model(changed, full_check=True)
    return bytes(changed.SerializeToString())


def _casts_first(model: "onnx.ModelProto") -> None:
    """Puts the casts of inputs, which the converter appends, in front of what reads them."""
    inputs = {each.name for each in model.graph.input}
    nodes = sorted(model.graph.node, key=lambda node: node.op_type != "Cast" or not inputs.issuperset(node.input))
    ordered = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(ordered)


def _own_vectors(graph: "onnx.GraphProto") -> None:
    """Gives each node that reads a vector of constants one of its own.

    Where several read the same, as biases of zero in a network that was never trained, ONNX Runtime casts it at each
    call and leaves its fastest convolutions out, so that the network takes up to twelve times as long as a trained one.
    """
    from onnx import TensorProto

    halves = [each for each in graph.initializer if each.data_type == TensorProto.FLOAT16]
    vectors = {each.name: each for each in halves if len(each.dims) == 1}
    same = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    taken = set[str]()
    for node in graph.node:
        for place, name in enumerate(node.input):
            vector = vectors.get(same.get(name, name))
            if vector is None or node.op_type == "Identity":
                continue
            if vector.name in taken:
                node.input[place] = f"{vector.name}_{len(graph.initializer)}"
                copied = graph.initializer.add()
                copied.CopyFrom(vector)
                copied.name = node.input[place]
            taken.add(vector.name)
