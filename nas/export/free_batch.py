"""A graph whose batch is free, as fast as one of a fixed batch.

While the batch is not known, ONNX Runtime computes a causal mask at each call, and adds the bias of a linear layer on
sequences after its matrix product, since it does better only where all sizes are known. A small transformer takes a
fifth longer for it. So the sizes that are known are written into the graph here, and products together with their bias.
"""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["for_free_batch"]

_LARGEST = 64
"""Numbers of a constant that is written in place of what it follows from; a mask would make the file many times larger,
and ONNX Runtime makes it once when it loads the file."""

Sizes = list[int | None]
"""Of a tensor's dimensions, None where it depends on the batch."""


def for_free_batch(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The model with known sizes as constants, and linear layers on sequences as products with their bias.

    A linear layer on sequences multiplies ``[batch, …, features]`` by weights that are constant. A model without
    anything of the kind is given back as it is.
    """
    return _with_linear_layers(_with_known_sizes(model))


class _Graph:
    """A graph that is rewritten node by node.

    Attributes:
        read: the nodes as they are.
        written: those that it is to have.
        sizes: by name of the value.
        constants: by name of the value.
    """

    def __init__(self, model: "onnx.ModelProto") -> None:
        from onnx import numpy_helper, shape_inference

        self.model = shape_inference.infer_shapes(model, data_prop=True)
        graph = self.model.graph
        self.read: list[onnx.NodeProto] = list(graph.node)
        self.written: list[onnx.NodeProto] = []
        self.sizes: dict[str, Sizes] = {
            value.name: [each.dim_value or None for each in value.type.tensor_type.shape.dim]
            for value in (*graph.value_info, *graph.input)
        }
        self.constants: dict[str, np.ndarray] = {each.name: numpy_helper.to_array(each) for each in graph.initializer}

    def constant(self, name: str, sizes: Sizes) -> str:
        """A constant of this name, new or there already, that holds sizes; -1 is what depends on the batch."""
        from onnx import numpy_helper

        if name not in self.constants:
            self.constants[name] = np.array([-1 if size is None else size for size in sizes], np.int64)
            self.model.graph.initializer.append(numpy_helper.from_array(self.constants[name], name))
        return name

    def write(self, kind: str, inputs: list[str], output: str) -> str:
        """Adds a node."""
        from onnx import helper

        self.written.append(helper.make_node(kind, inputs, [output], name=f"{kind}_{output}"))
        return output

    def rewritten(self) -> "onnx.ModelProto":
        """The model with the nodes that were written."""
        del self.model.graph.node[:]
        self.model.graph.node.extend(self.written)
        return self.model


def _with_known_sizes(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Parts of shapes in which the batch has no place become constants, and so do the sizes that follow from them."""
    from onnxscript import optimizer

    graph = _Graph(model)
    shapes = {node.output[0]: _shape(graph, node) for node in graph.read if node.op_type == "Shape"}
    for node in graph.read:
        sizes = _part(graph, node, shapes[node.input[0]]) if node.op_type == "Slice" and node.input[0] in shapes else []
        if sizes and None not in sizes:
            graph.constant(node.output[0], sizes)
        else:
            graph.written.append(node)
    if len(graph.written) == len(graph.read):
        return model
    return optimizer.optimize(graph.rewritten(), onnx_shape_inference=True, output_size_limit=_LARGEST)


def _shape(graph: _Graph, node: "onnx.NodeProto") -> Sizes:
    """What a node Shape gives; nothing where not even the number of dimensions is known."""
    limits = {each.name: each.i for each in node.attribute}
    return graph.sizes.get(node.input[0], [])[limits.get("start", 0) : limits.get("end")]


def _part(graph: _Graph, node: "onnx.NodeProto", sizes: Sizes) -> Sizes:
    """What a node Slice leaves of a shape; nothing where its limits depend on the input."""
    if not all(name in graph.constants for name in node.input[1:]):
        return []
    start, end, _, step = [int(graph.constants[name][0]) for name in node.input[1:]] + [0, 1][len(node.input) - 3 :]
    return sizes[start:end:step]


def _with_linear_layers(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Each linear layer on sequences becomes one Gemm of all their rows."""
    graph = _Graph(model)
    products = {node.output[0] for node in graph.read if _is_linear(graph, node)}
    biases = _biases(graph, products)
    added, rows = {node.output[0] for node, _ in biases.values()}, dict[str, str]()
    for node in graph.read:
        if node.output[0] in products:
            x, weights = node.input
            *before, features = graph.sizes[x]
            if x not in rows:
                rows[x] = graph.write("Reshape", [x, graph.constant(f"rows_{features}", [None, features])], f"{x}_rows")
            last, bias = biases.get(node.output[0], (node, []))
            output, shape = last.output[0], [*before, graph.constants[weights].shape[1]]
            product = graph.write("Gemm", [rows[x], weights, *bias], f"{output}_rows")
            graph.write("Reshape", [product, graph.constant(f"shape_{output}", shape)], output)
        elif node.output[0] not in added:
            graph.written.append(node)
    return graph.rewritten() if products else model


def _is_linear(graph: _Graph, node: "onnx.NodeProto") -> bool:
    """Whether a node multiplies sequences, of which only the first dimension is unknown, by constant weights."""
    if node.op_type != "MatMul" or node.input[1] not in graph.constants:
        return False
    first, *others = graph.sizes.get(node.input[0], [0])
    return first is None and len(others) > 1 and None not in others and graph.constants[node.input[1]].ndim == 2


def _biases(graph: _Graph, products: set[str]) -> dict[str, tuple["onnx.NodeProto", list[str]]]:
    """The node that adds a constant vector to a product which nothing else reads, and that vector, by its product."""
    reads = Counter(name for node in graph.read for name in node.input)
    reads.update(each.name for each in graph.model.graph.output)
    return {
        product: (node, [bias])
        for node in graph.read
        if node.op_type == "Add"
        for product, bias in (node.input, reversed(node.input))
        if product in products and reads[product] == 1 and bias in graph.constants and graph.constants[bias].ndim == 1
    }
