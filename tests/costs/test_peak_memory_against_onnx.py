"""Peak memory and FLOPs are those computed another way: from the exported graph, its inferred shapes and its order."""

import math
from collections import Counter
from collections.abc import Callable

import onnx
import pytest
import torch
from small_models import Concat, SqueezeExcite
from torch import Tensor, nn

import nas
from nas.costs import trace
from nas.export import static_onnx
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.nasbench201 import nasbench201

SHAPE = (3, 16, 16)
VIEWS = {"Flatten", "Reshape", "Identity", "Squeeze", "Unsqueeze"}
IN_PLACE = {"Add", "BatchNormalization", "Clip", "HardSigmoid", "HardSwish", "Mul", "Relu", "Sigmoid"}


class Graph:
    """A static ONNX graph as who needs what when.

    Attributes:
        nodes: (operator, names read, name written) in order; constants and views of other tensors left out.
        shapes: of every tensor that is computed, and of the weights.
        outputs: names of the results.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
        self.shapes = {
            value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self.weights = {each.name: tuple(each.dims) for each in graph.initializer}
        self.inputs = [value.name for value in graph.input]
        constants = {node.output[0] for node in graph.node if node.op_type == "Constant"} | self.weights.keys()
        self._same: dict[str, str] = {}
        self.nodes: list[tuple[str, list[str], str]] = []
        for node in graph.node:
            if node.op_type in VIEWS and node.input[0] not in constants:
                self._same[node.output[0]] = self._memory(node.input[0])
            elif node.op_type in VIEWS and node.input[0] in self.weights:
                constants.add(node.output[0])  # equal weights are written once
                self.weights[node.output[0]] = self.weights[node.input[0]]
            elif node.op_type != "Constant":
                reads = [self._memory(name) for name in node.input if name and name not in constants]
                self.nodes.append((node.op_type, reads, node.output[0]))
        self.outputs = [self._memory(value.name) for value in graph.output]
        self._given = {node.output[0]: list(node.input) for node in graph.node}

    def _memory(self, name: str) -> str:
        return self._same.get(name, name)

    def bytes(self, name: str) -> int:
        return 4 * math.prod(self.shapes[name])

    def peak(self) -> int:
        """The largest sum of what is there while a node runs, and of the results at the end."""
        last = {name: step for step, (_, reads, _) in enumerate(self.nodes) for name in reads}
        last |= dict.fromkeys(self.outputs, len(self.nodes))
        there = {name for name in self.inputs if name in last}
        most = sum(map(self.bytes, self.outputs))
        for step, (operator, reads, made) in enumerate(self.nodes):
            dying = {name for name in reads if last[name] == step}
            there.add(made)
            over = operator in IN_PLACE and any(self.shapes[name] == self.shapes[made] for name in dying)
            most = max(most, sum(map(self.bytes, there)) - (self.bytes(made) if over else 0))
            there -= dying
        return most

    def flops(self) -> int:
        """Two for each weight that is multiplied into each element of an output of a convolution or matrix."""
        total = 0
        for operator, _, made in self.nodes:
            if operator in ("Conv", "Gemm"):
                _, *reduced = self.weights[self._given[made][1]]
                total += 2 * math.prod(self.shapes[made]) * math.prod(reduced)
        return total


class Residual(nn.Module):
    def __init__(self, *inner: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*inner)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.inner(x)
        return y


class TwoResults(nn.Module):
    """The first result waits for the second, in which the peak lies."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = conv(3, 4), conv(4, 32), conv(32, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        early = self.first(x)
        return early, self.third(self.second(early))


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


def distinct(network: nn.Module) -> nn.Module:
    """In eval mode, where batch norm is folded or not, and no two weights are equal."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    return network.eval()


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "chain of convolutions": lambda: nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 16, 3, 2), nn.ReLU(), conv(16, 4)),
    "head": lambda: nn.Sequential(conv(3, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
    "wide matrix": lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 900), nn.Sigmoid(), nn.Linear(900, 3)),
    "batch norm": lambda: nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.Hardswish(), nn.BatchNorm2d(8), conv(8, 2)),
    "residual": lambda: nn.Sequential(conv(3, 8), Residual(conv(8, 24, 1), nn.ReLU(), conv(24, 8)), conv(8, 3)),
    "residual that starts in place": lambda: nn.Sequential(conv(3, 8), Residual(nn.ReLU(), conv(8, 8))),
    "concatenation": lambda: nn.Sequential(
        Concat(conv(3, 8), nn.Sequential(conv(3, 20), conv(20, 4)), nn.Identity()), conv(15, 2)
    ),
    "concatenation of pools": lambda: Concat(nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1), conv(3, 3)),
    "squeeze and excite": lambda: nn.Sequential(conv(3, 16), SqueezeExcite(16), conv(16, 4)),
    "two results": TwoResults,
}
SPACES: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: mobilenet(SHAPE, 10, widths=(8, 16), strides=(1, 2), depths=(1, 2), stem=8, head=16),
    "chain": lambda: chain(SHAPE, 10, layers=(2, 2), width=8, head=16),
    "nasbench201": lambda: nasbench201(SHAPE, 10, width=4, cells=1),
}


def exported(network: nn.Module) -> Graph:
    return Graph(onnx.load_from_string(static_onnx(distinct(network), SHAPE)))


def check(network: nn.Module, graph: Graph) -> None:
    found = trace(network, SHAPE)
    assert found.peak_memory_bytes == graph.peak()
    assert found.flops == graph.flops()


def is_whole(network: nn.Module, graph: Graph) -> bool:
    """Whether the exporter kept every layer: it merges equal ones with equal input, and drops what nobody reads."""
    kinds = {nn.Conv2d: "Conv", nn.ReLU: "Relu", nn.AvgPool2d: "AveragePool"}
    layers = Counter(kinds[type(module)] for module in network.modules() if type(module) in kinds)
    return layers == Counter(operator for operator, _, _ in graph.nodes if operator in kinds.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_as_its_exported_graph(name: str) -> None:
    network = NETWORKS[name]()
    check(network, exported(network))


@pytest.mark.parametrize("name", SPACES)
def test_architectures_of_shipped_spaces_as_their_exported_graphs(name: str) -> None:
    supernet = nas.Supernet(SPACES[name]())
    networks = [supernet.extract(supernet.space.sample(seed)) for seed in range(14)]
    whole = [(network, graph) for network in networks if is_whole(network, graph := exported(network))]
    assert len(whole) >= 3
    for network, graph in whole:
        check(network, graph)


def test_the_second_computation_by_hand() -> None:
    plane = 16 * 16 * 4
    graph = exported(nn.Sequential(conv(3, 8), Residual(conv(8, 24, 1), nn.ReLU(), conv(24, 8))))
    assert [operator for operator, _, _ in graph.nodes] == ["Conv", "Conv", "Relu", "Conv", "Add"]
    assert graph.peak() == (8 + 24 + 8) * plane
    assert graph.flops() == 2 * 256 * (8 * 27 + 24 * 8 + 8 * 24 * 9)
