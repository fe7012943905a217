"""Sums over blocks are the costs that the whole network is traced to have."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from random_models import CHANNELS, Plan, plans
from shipped import INPUT_SHAPE, SHIPPED, images

import nas
from nas.costs import StaticCosts
from nas.hardware import Catalogue, feature_table
from nas.space import Architecture

SOME = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_sums(
    supernet: nas.Supernet,
    shape: tuple[int, ...],
    architectures: Sequence[Architecture],
    dtype: torch.dtype = torch.float32,
) -> None:
    table = feature_table(Catalogue(supernet, shape, dtype))
    costs, names = StaticCosts(supernet, shape, dtype), [name for name in ("flops", "params") if name in table.columns]
    expected = [[costs(each)[name] for name in names] for each in architectures]
    np.testing.assert_array_equal(table.part(names)(supernet.space.indices(architectures)), expected)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in ("darts", "once_for_all") else name for name in SHIPPED],
)
def test_shipped_spaces(name: str) -> None:
    shipped = SHIPPED[name]
    supernet = nas.Supernet(shipped())
    space = supernet.space
    some = [space.largest(), space.smallest(), *(space.sample(number) for number in range(6))]
    check_sums(supernet, shipped.input_shape, some, shipped.input_dtype)


@SOME
@given(plans(), st.integers(0, 2**31))
def test_random_models(plan: Plan, seed: int) -> None:
    torch.manual_seed(0)
    supernet = nas.Supernet(plan.build())
    drawn = [supernet.space.sample((seed, number)) for number in range(8)]
    check_sums(supernet, (CHANNELS, 4, 4), [supernet.space.largest(), supernet.space.smallest(), *drawn])


def test_the_supernet_stays_as_it_was() -> None:
    supernet = nas.Supernet(SHIPPED["mobilenet"]())
    supernet.activate(supernet.space.sample(3))
    before, output = {name: each.clone() for name, each in supernet.state_dict().items()}, supernet(images())
    state = {name: each.clone() for name, each in supernet.state_dict().items()}
    Catalogue(supernet, INPUT_SHAPE)
    assert supernet.architecture == supernet.space.sample(3)
    assert supernet.training
    assert all(torch.equal(each, state[name]) for name, each in supernet.state_dict().items())
    assert before.keys() == supernet.state_dict().keys()
    assert not any(module._forward_pre_hooks for module in supernet.modules())
    assert torch.equal(supernet(images()), output)
