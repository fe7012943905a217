"""Costs read off the supernet are those of the network that is extracted from it."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas.costs import StaticCosts, parameters, trace
from nas.errors import UsageError
from nas.export import quantise, static_onnx
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.nasbench201 import nasbench201

SHAPE = (3, 16, 16)
MODELS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: mobilenet(SHAPE, 10, widths=(8, 16), strides=(1, 2), depths=(1, 2), stem=8, head=16),
    "chain": lambda: chain(SHAPE, 10, layers=(2, 2), width=8, head=16),
    "nasbench201": lambda: nasbench201(SHAPE, 10, width=4, cells=1),
}


def true_costs(network: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    traced = trace(network, shape)
    quantised = [each.numel() * (1 if each.dim() > 1 else 4) for each in network.parameters()]
    return {
        "params": parameters(network),
        "flops": traced.flops,
        "peak_memory_bytes": traced.peak_memory_bytes,
        "weight_bytes": sum(each.numel() * each.element_size() for each in network.parameters()),
        "weight_bytes_int8": sum(quantised),
    }


@pytest.mark.parametrize("name", MODELS)
def test_costs_are_those_of_the_extracted_network(name: str) -> None:
    supernet = nas.Supernet(MODELS[name]())
    costs, space = StaticCosts(supernet, SHAPE), supernet.space
    drawn = [space.largest(), space.smallest(), *(space.sample(number) for number in range(12))]
    for architecture in drawn:
        assert costs(architecture) == true_costs(supernet.extract(architecture), SHAPE)
    assert len({str(costs(architecture)) for architecture in drawn}) > 4


def test_a_block_is_traced_once_for_the_choices_it_reads_and_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    supernet = nas.Supernet(MODELS["chain"]())
    costs, space = StaticCosts(supernet, SHAPE), supernet.space
    traced: list[object] = []

    def counted(network: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> object:
        traced.append(network)
        return trace(network, shape, dtype)

    monkeypatch.setattr("nas.costs.static.trace", counted)
    table = [costs(architecture) for architecture in space]
    assert len(table) == 3**4
    assert len(traced) == 3 + 4 * 3
    assert [costs(architecture) for architecture in space] == table
    assert len(traced) == 3 + 4 * 3


def test_blocks_follow_the_active_sequence_and_add_up() -> None:
    supernet = nas.Supernet(MODELS["mobilenet"]())
    costs = StaticCosts(supernet, SHAPE)
    largest, smallest = costs.blocks(supernet.space.largest()), costs.blocks(supernet.space.smallest())
    assert [block.path for block in smallest] == ["stem", "stage1.0", "stage2.0", "head", "classifier"]
    assert [block.path for block in largest][1:5] == ["stage1.0", "stage1.1", "stage2.0", "stage2.1"]
    assert [block.kind for block in smallest][1] == "InvertedResidual"
    total = costs(supernet.space.largest())
    assert sum(block.params for block in largest) == total["params"]
    assert largest[-1].trace.output_shape == (10,)


def test_weights_that_blocks_share_count_once() -> None:
    tied = nn.Linear(5, 5)
    width = nas.Choice([2, 5], name="width")
    elastic = nas.nn.Linear(5, width)
    again = nas.nn.Linear(width, 5)
    supernet = nas.Supernet(nn.Sequential(tied, elastic, again, tied, elastic, again))
    costs = StaticCosts(supernet, (5,))
    for chosen, inner in ((2, 5 * 2 + 2 + 2 * 5 + 5), (5, 5 * 5 + 5 + 5 * 5 + 5)):
        assert costs({"width": chosen})["params"] == 5 * 5 + 5 + inner
        assert costs({"width": chosen}) == true_costs(supernet.extract({"width": chosen}), (5,))


def test_one_parameter_in_two_layers_counts_once() -> None:
    first, second = nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False)
    second.weight = first.weight
    supernet = nas.Supernet(nn.Sequential(first, nas.nn.OneOf({"tied": second, "none": nn.Identity()})))
    costs = StaticCosts(supernet, (5,))
    for architecture in supernet.space:
        assert costs(architecture)["params"] == 25
        assert costs(architecture) == true_costs(supernet.extract(architecture), (5,))


@torch.no_grad()
def distinct(network: nn.Module) -> nn.Module:
    """The network with values of its own in every tensor, since an exporter writes equal ones once."""
    torch.manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if name.endswith("running_var") else torch.randn_like(tensor))
    return network.eval()


def weights(model: bytes) -> list[onnx.TensorProto]:
    """The parameters of an ONNX model, without what quantisation adds (scales, zero points) and shapes."""
    added = ("_scale", "_zero_point")
    initializers = onnx.load_from_string(model).graph.initializer
    return [each for each in initializers if not each.name.endswith(added) and each.data_type != onnx.TensorProto.INT64]


def stored(model: bytes) -> int:
    return sum(onnx.numpy_helper.to_array(each).nbytes for each in weights(model))


def folded(network: nn.Module) -> int:
    """Bytes that go when a batch norm's scale and shift become one bias."""
    return sum(4 * each.num_features for each in network.modules() if isinstance(each, nn.BatchNorm2d))


def plain() -> nn.Module:
    """Without batch norm, what is counted is what is stored."""
    width = nas.Choice([4, 9], name="width")
    return nn.Sequential(
        nas.nn.Conv2d(3, width, nas.Choice([3, 5], name="kernel"), padding=1),
        nn.ReLU(),
        nas.nn.Conv2d(width, 6, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 10),
    )


@pytest.mark.parametrize("make", [plain, MODELS["mobilenet"], MODELS["chain"]])
def test_weight_bytes_are_those_of_the_exported_files(make: Callable[[], nn.Module]) -> None:
    supernet = nas.Supernet(make())
    costs, space = StaticCosts(supernet, SHAPE), supernet.space
    for architecture in (space.largest(), space.smallest(), space.sample(1), space.sample(2)):
        network, told = distinct(supernet.extract(architecture)), costs(architecture)
        written = static_onnx(network, SHAPE)
        assert stored(written) == told["weight_bytes"] - folded(network)
        quantised = quantise(written, [np.random.default_rng(0).normal(size=(1, *SHAPE)).astype("float32")])
        assert {each.data_type for each in weights(quantised)} == {onnx.TensorProto.INT8, onnx.TensorProto.INT32}
        assert stored(quantised) == told["weight_bytes_int8"] - folded(network)


@pytest.mark.parametrize("name", MODELS)
def test_flops_are_those_that_torch_counts_while_the_network_runs(name: str) -> None:
    supernet = nas.Supernet(MODELS[name]())
    costs, space = StaticCosts(supernet, SHAPE), supernet.space
    for architecture in (space.largest(), space.sample(1), space.sample(2)):
        network = supernet.extract(architecture).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.randn(1, *SHAPE))
        assert costs(architecture)["flops"] == counter.get_total_flops() > 0


class Summed(nn.Module):
    """A model that is no sequence, so one block."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nas.nn.Linear(4, nas.Choice([3, 6], name="width"))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.hidden(x) + self.hidden(x * 2)
        return y


class Shift(nn.Module):
    """Tokens to other tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) % 9


def test_tokens_are_traced_as_integers_and_what_follows_them_in_its_own_type() -> None:
    width = nas.Choice([4, 6], name="width")
    supernet = nas.Supernet(nn.Sequential(Shift(), nas.nn.Embedding(9, width), nas.nn.Linear(width, 3)))
    costs = StaticCosts(supernet, (5,), torch.int64)
    for architecture in supernet.space:
        chosen, traced = architecture["width"], trace(supernet.extract(architecture), (5,), torch.int64)
        types = [block.trace.output_dtype for block in costs.blocks(architecture)]
        assert types == [torch.int64, torch.float32, torch.float32]
        told = costs(architecture)
        assert told["flops"] == traced.flops == 2 * 5 * chosen * 3
        assert told["params"] == 9 * chosen + chosen * 3 + 3
        assert told["peak_memory_bytes"] == traced.peak_memory_bytes
    with pytest.raises(UsageError, match="Embedding cannot be run on an input of shape"):
        StaticCosts(supernet, (5,))(supernet.space.largest())


def test_a_model_that_is_no_sequence() -> None:
    supernet = nas.Supernet(Summed())
    costs = StaticCosts(supernet, (4,))
    for architecture in supernet.space:
        assert [block.path for block in costs.blocks(architecture)] == [""]
        assert costs(architecture) == true_costs(supernet.extract(architecture), (4,))
