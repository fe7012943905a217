"""The shipped spaces: an extracted network is the supernet's active path, and nothing else."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from shipped import INPUT_SHAPE, MIXABLE, SHIPPED, Shipped, images, one_hot_gates, pair_parameters, perturbed
from torch import Tensor, nn

import nas
from nas.nn.channel_ranges import select
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet
from search_spaces.nasbench201 import EDGES, OPERATIONS, nasbench201

EACH = pytest.mark.parametrize("make", SHIPPED.values(), ids=SHIPPED)


def some(supernet: nas.Supernet, count: int = 2) -> list[nas.Architecture]:
    return [supernet.space.smallest(), supernet.space.largest(), *(supernet.space.sample(s) for s in range(count))]


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / (b.norm() + 1e-3))


@EACH
def test_extracted_output_equals_the_supernet(make: Shipped) -> None:
    supernet = perturbed(make()).eval()
    for architecture in some(supernet):
        supernet.activate(architecture)
        network = supernet.extract(architecture)
        assert not network.training
        with torch.no_grad():
            assert relative(network(make.inputs()), supernet(make.inputs())) < 1e-6


@EACH
def test_train_mode_gradients_and_statistics_equal_those_of_the_extracted_network(make: Shipped) -> None:
    supernet = perturbed(make()).train()
    for architecture in some(supernet):
        network = supernet.extract(architecture)
        supernet.zero_grad()
        supernet.activate(architecture)
        pairs = pair_parameters(supernet, network)
        for module in (supernet, network):
            torch.autograd.backward(module(make.inputs()).sin().sum())
        for _, _, twin in pairs:
            assert twin.requires_grad
        for parameter, region in supernet.active_regions():
            twin = next(twin for whole, _, twin in pairs if whole is parameter)
            ours = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            theirs = torch.zeros_like(twin) if twin.grad is None else twin.grad
            assert relative(select(ours, region), theirs) < 1e-4
            inside = ours.count_nonzero()
            assert inside == select(ours, region).count_nonzero(), "zero outside of the region"
        again = supernet.extract(architecture)
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(again.get_buffer(name), buffer, rtol=1e-5, atol=1e-6)


@EACH
def test_what_does_not_run_has_no_gradient(make: Shipped) -> None:
    supernet = perturbed(make())
    for architecture in some(supernet):
        supernet.zero_grad()
        supernet.activate(architecture)
        torch.autograd.backward(supernet(make.inputs()).sum())
        running = {parameter for parameter, _ in supernet.active_regions()}
        for parameter in supernet.parameters():
            assert parameter in running or parameter.grad is None


@EACH
def test_the_extracted_network_is_plain_torch(make: Shipped) -> None:
    supernet = perturbed(make())
    for architecture in some(supernet):
        network = supernet.extract(architecture)
        for module in network.modules():
            assert type(module).__module__.split(".")[0] in ("torch", "search_spaces")
            assert not isinstance(module, nas.nn.Elastic)
            for value in vars(module).values():
                assert not type(value).__module__.startswith("nas")
        assert b"nas.nn" not in pickle.dumps(network)
        own = {id(tensor) for tensor in supernet.state_dict(keep_vars=True).values()}
        assert not own & {id(tensor) for tensor in network.state_dict(keep_vars=True).values()}
        storages = {tensor.untyped_storage().data_ptr() for tensor in supernet.state_dict().values()}
        assert not storages & {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}


def test_attributes_that_were_choices_are_values() -> None:
    supernet = perturbed(SHIPPED["mobilenet"]())
    architecture = supernet.space.largest()
    width = architecture["stage2.width"]
    block = supernet.extract(architecture).get_submodule("stage2.0")
    assert vars(block)["out_channels"] == width == 24
    assert type(vars(block)["out_channels"]) is int


@EACH
def test_active_regions_add_up_to_the_extracted_parameters(make: Shipped) -> None:
    supernet = perturbed(make())
    for architecture in some(supernet, 4):
        supernet.activate(architecture)
        total = sum(select(parameter, region).numel() for parameter, region in supernet.active_regions())
        assert total == sum(parameter.numel() for parameter in supernet.extract(architecture).parameters())
        parts = [
            select(parameter, region).numel()
            for _, segment in supernet.segments()
            for parameter, region in supernet.active_regions(within=segment.module)
        ]
        assert sum(parts) == total


def trace(supernet: nas.Supernet, architecture: nas.Architecture, x: Tensor) -> list[tuple[Any, Tensor]]:
    """(key, output) after each segment."""
    supernet.activate(architecture)
    result = []
    for key, segment in supernet.segments():
        x = segment.module(x)
        result.append((key, x))
    return result


@EACH
@torch.no_grad()
def test_segments_compose_to_the_forward(make: Shipped) -> None:
    supernet = perturbed(make()).eval()
    for architecture in some(supernet):
        steps = trace(supernet, architecture, make.inputs())
        assert torch.equal(steps[-1][1], supernet(make.inputs()))
        assert len({key for key, _ in steps}) == len(steps)


@EACH
@torch.no_grad()
def test_keys_agree_exactly_as_long_as_the_prefix_computes_the_same(make: Shipped) -> None:
    supernet = perturbed(make()).eval()
    space = supernet.space
    shared = 0
    for seed in range(12):
        first = space.sample(seed)
        second = space.mutate(first, seed)
        traces = (trace(supernet, each, make.inputs()) for each in (first, second))
        pairs = list(zip(*traces, strict=False))
        same_keys = [a == b for (a, _), (b, _) in pairs]
        equal = [torch.equal(a, b) if a.shape == b.shape else False for (_, a), (_, b) in pairs]
        prefix = same_keys.index(False)
        assert all(equal[:prefix])
        shared += prefix
        if make not in (SHIPPED["nasbench201"], SHIPPED["resnet_pooling"]):  # other choices may compute the same
            assert not equal[prefix]
    assert shared >= 6 or len(supernet.segments()) == 1


@EACH
def test_copies_and_pickles_share_no_state(make: Shipped) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    clones: list[Callable[[nas.Supernet], nas.Supernet]] = [
        copy.deepcopy,
        lambda net: pickle.loads(pickle.dumps(net)),
        lambda net: pickle.loads(cloudpickle.dumps(net)),
    ]
    supernet = perturbed(make()).eval()
    first, second = supernet.space.sample(1), supernet.space.sample(2)
    supernet.activate(first)
    expected = supernet(make.inputs())
    for clone in clones:
        twin = clone(supernet)
        assert twin.architecture == first and torch.equal(twin(make.inputs()), expected)
        assert torch.equal(twin.extract(first)(make.inputs()), expected)
        twin.activate(second)
        nn.init.zeros_(next(twin.parameters()))
        assert supernet.architecture == first and torch.equal(supernet(make.inputs()), expected)


@pytest.mark.parametrize("make", MIXABLE.values(), ids=MIXABLE)
def test_one_hot_gates_equal_the_discrete_path(make: Shipped) -> None:
    supernet = perturbed(make()).double()
    x = make.inputs(dtype=torch.float64)
    for architecture in some(supernet):
        supernet.activate(architecture)
        supernet.zero_grad()
        y = supernet(x)
        torch.autograd.backward(y.sin().sum())
        expected = {name: p.grad for name, p in supernet.named_parameters()}
        gates = one_hot_gates(supernet, architecture)
        supernet.mix(gates)
        supernet.zero_grad()
        mixed = supernet(x)
        torch.testing.assert_close(mixed, y)
        torch.autograd.backward(mixed.sin().sum())
        for name, parameter in supernet.named_parameters():
            grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            discrete = expected[name]
            torch.testing.assert_close(grad, torch.zeros_like(grad) if discrete is None else discrete)
        assert all(gate.grad is not None and gate.grad.isfinite().all() for gate in gates.values())


def test_published_sizes() -> None:
    assert nas.Supernet(chain()).space.size == 3**8
    cells = nas.Supernet(nasbench201(cells=1)).space
    assert cells.size == len(OPERATIONS) ** len(EDGES) == 15_625
    assert set(cells.choices) == {f"edge_{source}_{target}" for source, target in EDGES}
    stages, width, blocks = 5, 2, sum((3 * 3) ** depth for depth in (2, 3, 4))
    assert nas.Supernet(mobilenet((3, 64, 64), 10, head=8)).space.size == (width * blocks) ** stages


@pytest.mark.parametrize("size", [8, 16, 28, 32])
def test_every_shipped_space_fits_every_image_size(size: int) -> None:
    shape = (3, size, size)
    models = [mobilenet(shape, 7, head=8), chain(shape, 7, head=8), nasbench201(shape, 7, cells=1)]
    for model in models:
        supernet = nas.Supernet(model)
        for architecture in (supernet.space.smallest(), supernet.space.largest()):
            supernet.activate(architecture)
            assert supernet(torch.randn(2, *shape)).shape == (2, 7)


def test_the_helpers_pair_every_parameter() -> None:
    supernet = perturbed(SHIPPED["mobilenet"]())
    supernet.activate(supernet.space.smallest())
    pairs = pair_parameters(supernet, supernet.extract(supernet.architecture))
    assert len(pairs) == len(list(supernet.active_regions())) > 20
    assert tuple(images().shape[1:]) == INPUT_SHAPE
