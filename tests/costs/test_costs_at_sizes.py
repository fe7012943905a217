"""The size of images as a choice: costs, blocks, keys and measurements are those of the network at its size."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import nas
from nas.costs import StaticCosts
from nas.errors import UsageError
from nas.hardware import (
    Catalogue,
    LatencyCache,
    NetworkFeatures,
    NetworkKeys,
    OnnxRuntime,
    feature_table,
    measure_blocks,
)
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet

SHAPE, SIZES = (1, 8, 8), [6, 8, 11]
MODELS = {
    "chain": lambda: chain(SHAPE, 4, layers=(1, 2), width=4, head=8),
    "mobilenet": lambda: mobilenet(
        SHAPE, 4, widths=(8, 16), strides=(1, 2), depths=(1, 2), kernels=(3, 5), expansions=(1, 2), stem=4, head=8
    ),
}
every_model = pytest.mark.parametrize("name", MODELS)


def supernet(name: str, sizes: list[int] = SIZES) -> nas.Supernet:
    torch.manual_seed(0)
    return nas.Supernet(MODELS[name](), input_shape=SHAPE, extra={"image_size": sizes})


def inside(architecture: nas.Architecture) -> dict[str, object]:
    return {name: value for name, value in architecture.items() if name != "image_size"}


@every_model
def test_costs_are_those_of_the_plain_network_at_the_size(name: str) -> None:
    ours, plain = supernet(name), nas.Supernet(MODELS[name](), input_shape=SHAPE)
    costs = StaticCosts(ours, SHAPE)
    theirs = {size: StaticCosts(plain, (1, size, size)) for size in SIZES}
    some = [ours.space.largest(), ours.space.smallest(), *(ours.space.sample(seed) for seed in range(12))]
    for architecture in some:
        assert costs(architecture) == theirs[architecture["image_size"]](inside(architecture))
    small, large = ({**ours.space.largest(), "image_size": size} for size in (6, 11))
    assert costs(small)["flops"] < costs(large)["flops"] and costs(small)["params"] == costs(large)["params"]


@every_model
def test_sums_over_blocks_are_exact_at_every_size(name: str) -> None:
    ours = supernet(name)
    costs, table = StaticCosts(ours, SHAPE), feature_table(Catalogue(ours, SHAPE))
    some = [ours.space.largest(), ours.space.smallest(), *(ours.space.sample(seed) for seed in range(12))]
    expected = [[costs(each)[column] for column in ("flops", "params")] for each in some]
    np.testing.assert_array_equal(table.part(("flops", "params"))(ours.space.indices(some)), expected)
    traced = NetworkFeatures(costs, ("flops", "params"))
    np.testing.assert_array_equal(traced(ours.space.indices(some)), expected)


@every_model
def test_blocks_have_the_shapes_that_they_get(name: str) -> None:
    ours = supernet(name)

    def shapes(supernet: nas.Supernet) -> set[torch.Size]:
        return {block.inputs[0].shape for block in Catalogue(supernet, SHAPE).blocks}

    assert shapes(ours) == set().union(*(shapes(supernet(name, [size])) for size in SIZES))


def test_networks_of_two_sizes_are_two_networks() -> None:
    ours = supernet("chain")
    keys = NetworkKeys(StaticCosts(ours, SHAPE))
    assert len({keys(architecture) for architecture in ours.space}) == ours.space.size


def test_every_block_is_measured_at_every_shape(tmp_path: Path) -> None:
    ours = supernet("chain", [6, 8])
    catalogue, cache = Catalogue(ours, SHAPE), LatencyCache(tmp_path / "blocks.jsonl")
    milliseconds = measure_blocks(OnnxRuntime(), ours, catalogue, cache, lambda count: None)
    assert len(milliseconds) == len(catalogue.blocks) and (milliseconds > 0).all()
    table = feature_table(catalogue, milliseconds).part(("ms",))
    rows = ours.space.indices(list(ours.space))
    assert (table(rows) > 0).all()


def test_a_size_that_a_model_cannot_take_is_named() -> None:
    kernel = nas.Choice([1, 3], name="kernel")
    model = nn.Sequential(nas.nn.Conv2d(1, 2, kernel, padding=kernel // 2), nn.Flatten(), nn.Linear(2 * 64, 4))
    ours = nas.Supernet(model, extra={"image_size": [6, 8]})
    costs = StaticCosts(ours, SHAPE)
    assert costs({"kernel": 3, "image_size": 8})["params"] > 0
    with pytest.raises(UsageError, match=r"cannot be run on an input of shape \(72,\)"):
        costs({"kernel": 3, "image_size": 6})
    with pytest.raises(UsageError, match=r"cannot be run on an input of shape \(1, 6, 6\)"):
        Catalogue(ours, SHAPE)
