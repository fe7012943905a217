"""What a predictor sees of networks whose costs are no sum over blocks."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nas
from nas.costs import StaticCosts, trace
from nas.errors import UsageError
from nas.hardware import Catalogue, NetworkFeatures, feature_table
from nas.nn import Conv2d, OneOf, Repeat
from nas.predictors import ArchitecturePredictor, Encoding, RegressionPredictor
from nas.space import Choice

SHAPE = (3, 8, 8)
GUARD = {"space": "one", "target": "cpu"}


def sequence() -> nn.Module:
    width = Choice([2, 4, 6], name="width")
    blocks = [OneOf([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1), nn.Identity()]) for _ in range(3)]
    head = [Conv2d(3, width, 1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nas.nn.Linear(width, 5)]
    return nn.Sequential(Repeat(blocks, Choice([1, 2, 3], name="depth")), *head)


class Recurrent(nn.Module):
    """Costs do not add up, since one block runs as often as there are others."""

    def __init__(self) -> None:
        super().__init__()
        hidden, kernel = Choice([2, 4, 8], name="hidden"), Choice([1, 3], name="kernel")
        self.expand = Conv2d(3, hidden, kernel, padding=kernel // 2)
        self.reduce = Conv2d(hidden, 3, 1)
        self.blocks = nn.ModuleList(OneOf([nn.Identity(), nn.Conv2d(3, 3, 1)]) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x) + self.reduce(self.expand(x))
        return x


def test_they_are_the_sums_over_blocks_where_there_are_such() -> None:
    supernet = nas.Supernet(sequence())
    table, traced = feature_table(Catalogue(supernet, SHAPE)), NetworkFeatures(StaticCosts(supernet, SHAPE))
    rows = supernet.space.indices([supernet.space.sample(seed) for seed in range(60)])
    shared = list(table.columns)
    assert set(shared) < set(traced.columns)
    np.testing.assert_array_equal(traced.part(shared)(rows), table(rows))


def test_static_costs_are_exact_where_costs_do_not_add_up() -> None:
    supernet = nas.Supernet(Recurrent())
    with pytest.raises(UsageError, match="runs several times"):
        Catalogue(supernet, SHAPE)
    features = NetworkFeatures(StaticCosts(supernet, SHAPE)).part(["params", "flops", "peak_memory_bytes"])
    every = list(supernet.space)
    for architecture, row in zip(every, features(supernet.space.indices(every)), strict=True):
        network = supernet.extract(architecture)
        costs = trace(network, SHAPE)
        assert row.tolist() == [
            sum(each.numel() for each in network.parameters()),
            costs.flops,
            costs.peak_memory_bytes,
        ]


def test_a_network_is_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    supernet = nas.Supernet(Recurrent())
    costs = StaticCosts(supernet, SHAPE)
    features, asked = NetworkFeatures(costs), []
    walk = StaticCosts.walk
    monkeypatch.setattr(StaticCosts, "walk", lambda self, each: asked.append(each) or walk(self, each))
    rows = supernet.space.indices(list(supernet.space))
    first = features(rows)
    count = len(asked)
    assert {each.key for each in asked} == {each.key for each in supernet.space}
    assert np.array_equal(features(np.repeat(rows, 100, axis=0)), np.repeat(first, 100, axis=0))
    assert len(asked) == count


class Wide(nn.Module):
    """Eight elastic widths, which multiply one another's work, and a block with weights that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *(Choice([4, 8, 16, 32], name=f"width{number}") for number in range(8)), 3]
        self.layers = nn.ModuleList(Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            for layer in self.layers:
                x = layer(x)
        return x


def test_below_a_hundred_networks_they_say_what_the_choices_cannot() -> None:
    supernet = nas.Supernet(Wide())
    costs, space = StaticCosts(supernet, SHAPE), supernet.space
    with pytest.raises(UsageError):
        Catalogue(supernet, SHAPE)
    every = [space.sample(seed) for seed in range(200)]
    values = [costs(each)["flops"] + 30 * costs(each)["peak_memory_bytes"] for each in every]

    def within_10pct(encoding: Encoding) -> float:
        model = RegressionPredictor(encoding.one_hot, seed=0)
        predictor = ArchitecturePredictor("regression", encoding, model).fit(every[:60], values[:60])
        return predictor.errors_on(every[60:], values[60:]).within_10pct

    assert within_10pct(Encoding(space)) < 0.6
    assert within_10pct(Encoding(space, NetworkFeatures(costs))) > 0.95


def test_a_saved_predictor_traces_again(tmp_path: Path) -> None:
    supernet = nas.Supernet(Recurrent())
    space, features = supernet.space, NetworkFeatures(StaticCosts(supernet, SHAPE))
    every = list(space)
    encoding = Encoding(space, features.part(["flops", "params"]))
    predictor = ArchitecturePredictor("regression", encoding, RegressionPredictor(encoding.one_hot))
    predictor.fit(every, range(len(every))).save(tmp_path, GUARD)
    again = ArchitecturePredictor.load(tmp_path, GUARD, features)
    assert again.encoding.features.columns == ("flops", "params")
    assert again.predict(every)[0].tolist() == predictor.predict(every)[0].tolist()
    with pytest.raises(UsageError, match=r"encoding\.npz needs 'flops' of each network.* profile again"):
        ArchitecturePredictor.load(tmp_path, GUARD)


def test_token_ids() -> None:
    supernet = nas.Supernet(nn.Sequential(nn.Embedding(9, 4), OneOf([nn.Linear(4, 4), nn.Identity()])))
    features = NetworkFeatures(StaticCosts(supernet, (5,), torch.int64)).part(["params", "linear calls"])
    assert features(supernet.space.indices(list(supernet.space))).tolist() == [[56, 1], [36, 0]]
