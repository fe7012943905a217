"""What holds for every elastic layer whatever its arguments: extraction, gates, costs and ONNX are exact."""

from collections.abc import Callable
from typing import Any

import onnxruntime
import pytest
import torch
from every_layer import LAYERS, First, Model, WithToken
from hypothesis import HealthCheck, given, settings, strategies as st
from slices import close, one_hot, randomise
from small_models import SelfAttention
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas.costs import StaticCosts, parameters, trace
from nas.export import dynamic_onnx, static_onnx
from nas.nn.channel_ranges import select
from nas.space import Choice, concatenate

SOME = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SEEDS = st.integers(0, 2**31)


def every_layer(test: Callable[..., None]) -> Any:
    return pytest.mark.parametrize("name", LAYERS)(SOME(given(data=st.data(), seed=SEEDS)(test)))


def drawn(data: st.DataObject, name: str) -> tuple[Model, nas.Supernet]:
    torch.manual_seed(0)
    model = data.draw(LAYERS[name])
    randomise(model.network.double())
    return model, nas.Supernet(nn.Sequential(model.network, nas.nn.OneOf([nn.Identity()])))


def ran(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Output, and the norm of all gradients."""
    module.zero_grad()
    y: Tensor = module(x)
    y.sin().sum().backward()  # type: ignore[no-untyped-call]
    return y.detach(), torch.stack([each.grad.norm() for each in module.parameters() if each.grad is not None]).norm()


def buffers(module: nn.Module) -> list[Tensor]:
    return [each.clone() for each in module.buffers()]


@every_layer
def test_the_extracted_network_computes_and_learns_the_same(name: str, data: st.DataObject, seed: int) -> None:
    model, supernet = drawn(data, name)
    architecture, x = supernet.space.sample(seed), model.inputs()
    for training in (True, False):
        supernet.train(training)
        network = supernet.extract(architecture)
        assert not any(type(each).__module__.startswith("nas.") for each in network.modules())
        supernet.activate(architecture)
        for ours, theirs in zip(ran(supernet, x), ran(network, x), strict=True):
            close(ours, theirs)
        after = supernet.extract(architecture)
        assert all(map(torch.equal, buffers(after), buffers(network))), "running statistics"
    used = [select(parameter, region).numel() for parameter, region in supernet.active_regions()]
    assert sum(used) == parameters(network)


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


@every_layer
def test_what_is_attached_to_the_layer_is_extracted(name: str, data: st.DataObject, seed: int) -> None:
    model, _ = drawn(data, name)
    layer = next(each for each in model.network.modules() if type(each).__name__ == name)
    seen: list[str] = []
    if name != "Parameter":
        layer.register_forward_hook(lambda module, inputs, output: seen.append(type(module).__module__))
    tensor = next(iter(layer._parameters))
    if layer._parameters[tensor] is not None:
        register_parametrization(layer, tensor, Doubled())
    supernet = nas.Supernet(nn.Sequential(model.network, nas.nn.OneOf([nn.Identity()]))).eval()
    architecture = supernet.space.sample(seed)
    network = supernet.extract(architecture)
    supernet.activate(architecture)
    seen.clear()
    close(network(model.inputs()), supernet(model.inputs()))
    assert len(seen) == (0 if name == "Parameter" else 2)
    assert not any(type(each).__module__.startswith("nas.") for each in network.modules())


@every_layer
def test_one_hot_gates_are_the_architecture(name: str, data: st.DataObject, seed: int) -> None:
    model, supernet = drawn(data, name)
    if not model.mixable:
        return
    architecture, x = supernet.space.sample(seed), model.inputs()
    for training in (True, False):
        supernet.train(training)
        before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
        supernet.activate(architecture)
        expected = ran(supernet, x)
        supernet.load_state_dict(before)
        gates = {
            name: gate.detach().double().requires_grad_() for name, gate in one_hot(supernet, architecture).items()
        }
        supernet.mix(gates)
        for ours, theirs in zip(ran(supernet, x), expected, strict=True):
            close(ours, theirs)
        assert all(gate.grad is not None and gate.grad.isfinite().all() for gate in gates.values())


@every_layer
def test_costs_are_those_of_the_extracted_network(name: str, data: st.DataObject, seed: int) -> None:
    model, supernet = drawn(data, name)
    dtype = torch.int64 if model.tokens else torch.float64
    architecture = supernet.space.sample(seed)
    network = supernet.extract(architecture)
    costs = StaticCosts(supernet, model.shape, dtype)(architecture)
    assert costs["params"] == parameters(network)
    with FlopCounterMode(display=False) as counter:
        network.eval().to("meta")(torch.empty((1, *model.shape), dtype=dtype, device="meta"))
    assert costs["flops"] == counter.get_total_flops()


@pytest.mark.parametrize("name", LAYERS)
@settings(SOME, max_examples=1)
@given(data=st.data(), seed=SEEDS)
def test_the_file_that_is_measured_computes_the_same(name: str, data: st.DataObject, seed: int) -> None:
    model, supernet = drawn(data, name)
    if not model.exportable:
        return
    network = supernet.float().extract(supernet.space.sample(seed)).eval()
    x = model.inputs(1) if model.tokens else model.inputs(1).float()
    content = static_onnx(network, model.shape, dtype=x.dtype)
    agree(content, network, x)


def agree(content: bytes, network: nn.Module, x: Tensor) -> None:
    (given,) = onnxruntime.InferenceSession(content).run(None, {"input": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(given), network(x).detach(), rtol=1e-4, atol=1e-4)


WIDTH, HIDDEN, KERNEL = Choice([4, 6], name="width"), Choice([2, 4], name="hidden"), Choice([1, 3], name="kernel")


def signal(dims: int, *more: nn.Module) -> nn.Module:
    conv, batch, instance = (getattr(nas.nn, f"{kind}{dims}d") for kind in ("Conv", "BatchNorm", "InstanceNorm"))
    return nn.Sequential(
        conv(2, WIDTH, KERNEL, padding=KERNEL // 2), batch(WIDTH), nn.Tanh(), instance(WIDTH, affine=True), *more
    )


DELIVERED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "one dimension": (lambda: signal(1, nas.nn.ConvTranspose1d(WIDTH, 2, KERNEL, stride=2)), (2, 9)),
    "images": (
        lambda: signal(2, nas.nn.GroupNorm(2, WIDTH), nas.nn.ConvTranspose2d(WIDTH, 2, KERNEL, stride=2)), (2, 7, 7)
    ),
    "volumes": (lambda: signal(3), (2, 5, 5, 5)),
    "tokens": (
        lambda: nn.Sequential(
            nas.nn.Embedding(4, WIDTH), WithToken(6, WIDTH), nas.nn.RMSNorm(WIDTH),
            SelfAttention(nas.nn.MultiheadAttention(WIDTH, 4, head_dim=3, num_kv_heads=HIDDEN, batch_first=True)),
            nas.nn.LayerNorm(WIDTH), First(nas.nn.GRU(WIDTH, HIDDEN, 2, batch_first=True, bidirectional=True)),
            First(nas.nn.LSTM(concatenate(HIDDEN, HIDDEN), HIDDEN, batch_first=True)), nas.nn.Linear(HIDDEN, 3),
        ),
        (5,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DELIVERED)
def test_the_file_that_is_delivered_computes_the_same(name: str) -> None:
    torch.manual_seed(0)
    make, shape = DELIVERED[name]
    model = Model(make(), shape)
    supernet = nas.Supernet(model.network)
    network = supernet.extract(supernet.space.smallest()).eval()
    x = model.inputs(2) if model.tokens else model.inputs(2).float()
    agree(dynamic_onnx(network, shape, dtype=x.dtype), network, x)


FLOPS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "Conv1d": (lambda: nas.nn.Conv1d(2, WIDTH, 3), (2, 9), 2 * 7 * 4 * 2 * 3),
    "Conv3d": (lambda: nas.nn.Conv3d(2, WIDTH, 3), (2, 5, 4, 3), 2 * (3 * 2 * 1) * 4 * 2 * 27),
    "ConvTranspose1d": (lambda: nas.nn.ConvTranspose1d(2, WIDTH, 3, stride=2), (2, 9), 2 * 9 * 4 * 2 * 3),
    "ConvTranspose2d": (lambda: nas.nn.ConvTranspose2d(2, WIDTH, 3), (2, 5, 4), 2 * 20 * 4 * 2 * 9),
    "GRU": (lambda: First(nas.nn.GRU(3, WIDTH, 2, batch_first=True)), (5, 3), 2 * 5 * 3 * 4 * (3 + 4 + 4 + 4)),
    "LSTM": (
        lambda: First(nas.nn.LSTM(3, WIDTH, batch_first=True, bidirectional=True)), (5, 3), 2 * 2 * 5 * 4 * 4 * (3 + 4)
    ),
    "grouped queries": (
        lambda: SelfAttention(nas.nn.MultiheadAttention(WIDTH, 4, head_dim=3, num_kv_heads=HIDDEN, batch_first=True)),
        (5, 4),
        2 * 5 * 4 * (2 * 12 + 2 * 6) + 2 * 2 * 4 * 5 * 5 * 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "shape", "expected"), FLOPS.values(), ids=FLOPS)
def test_flops_counted_by_hand(make: Callable[[], nn.Module], shape: tuple[int, ...], expected: int) -> None:
    supernet = nas.Supernet(nn.Sequential(make()))
    assert StaticCosts(supernet, shape)(supernet.space.smallest())["flops"] == expected
    assert trace(supernet.extract(supernet.space.smallest()), shape).flops == expected


class PReLU(nas.nn.ElasticLayer, nn.PReLU):
    axes = nas.nn.Axes(weight=("num_parameters",))
    elastic = ("num_parameters",)
    output = ("num_parameters", 1)

    def functional(self, x: Tensor, weight: Tensor) -> Tensor:
        return nn.functional.prelu(x, weight)


def test_a_layer_of_ones_own_is_a_table_and_a_function() -> None:
    layer = PReLU(WIDTH, init=0.5)
    randomise(layer)
    supernet = nas.Supernet(nn.Sequential(nas.nn.Conv1d(2, WIDTH, 1), layer, nas.nn.Conv1d(WIDTH, 2, 1)))
    x = torch.randn(3, 2, 5)
    for architecture in supernet.space:
        supernet.activate(architecture)
        y = supernet(x)
        network = supernet.extract(architecture)
        assert repr(network[1]) == f"PReLU(num_parameters={architecture['width']})"
        close(network(x), y)
        assert StaticCosts(supernet, (2, 5))(architecture)["params"] == parameters(network)
        supernet.mix(one_hot(supernet, architecture))
        close(supernet(x), y)


def test_every_elastic_layer_is_here() -> None:
    exported = (value for name in nas.nn.__all__ if isinstance(value := getattr(nas.nn, name), type))
    names = {kind.__name__ for kind in exported if issubclass(kind, nas.nn.ElasticLayer)}
    assert names - {"ElasticLayer"} == LAYERS.keys()
    delivered = {type(each).__name__ for make, _ in DELIVERED.values() for each in make().modules()}
    assert LAYERS.keys() <= delivered
