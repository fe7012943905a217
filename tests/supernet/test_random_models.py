"""What holds for every model with nested, tied and conditional choices."""

import copy
import itertools

import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from random_models import CHANNELS, Plan, plans
from torch import nn

import nas
from nas.nn.channel_ranges import select

SOME = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**31)


def supernet_of(plan: Plan) -> nas.Supernet:
    torch.manual_seed(0)
    return nas.Supernet(plan.build())


def images() -> torch.Tensor:
    return torch.randn(2, CHANNELS, 4, 4, generator=torch.Generator().manual_seed(1))


@SOME
@given(plans())
def test_the_space_holds_what_the_forward_can_tell_apart(plan: Plan) -> None:
    supernet = supernet_of(plan)
    choices = plan.choices()
    rows = itertools.product(*(choice.candidates for choice in choices))
    read = {frozenset(plan.reads(dict(zip(choices, row, strict=True)))) for row in rows}
    assert len(supernet.space.choices) == len(choices)
    assert supernet.space.size == len(read) == len(set(supernet.space))
    lengths = sorted(map(len, supernet.space))
    assert lengths == sorted(map(len, read))


@SOME
@given(plans(), SEEDS)
def test_extraction_equals_the_supernet(plan: Plan, seed: int) -> None:
    supernet = supernet_of(plan)
    architecture = supernet.space.sample(seed)
    other = supernet.space.sample(seed + 1)
    supernet.activate(other)
    network = supernet.extract(architecture)
    assert supernet.architecture == other, "extraction leaves the active architecture as it was"
    supernet.activate(architecture)
    y = supernet(images())
    assert torch.equal(network(images()), y)
    assert not any(isinstance(module, nas.nn.Elastic) for module in network.modules())
    parts = [select(parameter, region).numel() for parameter, region in supernet.active_regions()]
    assert sum(parts) == sum(parameter.numel() for parameter in network.parameters())


@SOME
@given(plans(), SEEDS)
def test_segments_compose_to_the_forward_and_keys_tell_prefixes(plan: Plan, seed: int) -> None:
    supernet = supernet_of(plan)
    traces = []
    for architecture in (supernet.space.sample(seed), supernet.space.sample(seed + 1)):
        supernet.activate(architecture)
        x, trace = images(), []
        for key, segment in supernet.segments():
            x = segment.module(x)
            trace.append((key, x))
        assert torch.equal(x, supernet(images()))
        traces.append(trace)
    for (first_key, first), (second_key, second) in zip(*traces, strict=False):
        if first_key != second_key:
            break
        assert torch.equal(first, second)


@SOME
@given(plans(), SEEDS)
def test_one_hot_gates_equal_the_architecture(plan: Plan, seed: int) -> None:
    supernet = supernet_of(plan).double()
    architecture = supernet.space.sample(seed)
    supernet.activate(architecture)
    y = supernet(images().double())
    gates = {}
    for name, candidates in supernet.space.choices.items():
        index = candidates.index(architecture[name]) if name in architecture else 0
        gates[name] = torch.eye(len(candidates), dtype=torch.float64)[index].requires_grad_()
    supernet.mix(gates)
    torch.testing.assert_close(supernet(images().double()), y)


@SOME
@given(plans(), SEEDS)
def test_copies_share_no_state(plan: Plan, seed: int) -> None:
    supernet = supernet_of(plan)
    first, second = supernet.space.sample(seed), supernet.space.sample(seed + 1)
    supernet.activate(first)
    before = supernet(images())
    twin = copy.deepcopy(supernet)
    assert twin.architecture == first and torch.equal(twin(images()), before)
    twin.activate(second)
    nn.init.zeros_(next(twin.parameters()))
    assert supernet.architecture == first and torch.equal(supernet(images()), before)
    twin.load_state_dict(supernet.state_dict())
    twin.activate(first)
    assert torch.equal(twin(images()), before)
