"""One module object at several places of a model: what is evaluated, counted and shown is what is delivered."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_nets import blobs, rows, scramble
from torch import Tensor, nn

import nas
from nas.costs import StaticCosts, parameters
from nas.delivery.conclusion import describe_blocks
from nas.evaluation import SharedWeights, evaluate
from nas.hardware import Catalogue
from nas.nn import BatchNorm2d, Cell, Conv2d, Linear, OneOf, Repeat
from nas.space import Choice

WIDTH = 6


def head() -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, 4)]


def conv(kernel: Any = 3, inputs: int = WIDTH) -> nn.Module:
    return Conv2d(inputs, WIDTH, kernel, padding=kernel // 2)


def one_relu() -> nn.Module:
    width, relu = Choice([4, 8]), nn.ReLU()
    return nn.Sequential(
        Conv2d(1, width, 3), relu, Conv2d(width, WIDTH, 3), relu, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head()[-1]
    )


def one_norm() -> nn.Module:
    kernel, norm = Choice([1, 3]), nn.BatchNorm2d(WIDTH)
    return nn.Sequential(conv(kernel, 1), norm, nn.ReLU(), conv(kernel), norm, nn.ReLU(), *head())


def one_elastic_norm() -> nn.Module:
    width = Choice([3, WIDTH])
    norm, back = BatchNorm2d(width), Linear(width, 4)
    return nn.Sequential(
        Conv2d(1, width, 3), norm, Conv2d(width, width, 1), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten(), back
    )


def one_block_three_times() -> nn.Module:
    block = nn.Sequential(conv(Choice([1, 3])), nn.BatchNorm2d(WIDTH), nn.ReLU())
    return nn.Sequential(conv(inputs=1), Repeat([block] * 3, Choice([1, 2, 3])), *head())


def candidates_that_share() -> nn.Module:
    norm = nn.BatchNorm2d(WIDTH)
    blocks = [nn.Sequential(conv(kernel), norm) for kernel in (1, 3)]
    return nn.Sequential(conv(inputs=1), OneOf([*blocks, blocks[0]]), nn.ReLU(), OneOf([norm, nn.Identity()]), *head())


def one_edge_in_two_cells() -> nn.Module:
    edge = OneOf({"conv": nn.Sequential(conv(), nn.BatchNorm2d(WIDTH)), "skip": nn.Identity()})
    cells = [Cell({(0, 1): edge, (0, 2): conv(1), (1, 2): edge}) for _ in range(2)]
    return nn.Sequential(conv(inputs=1), *cells, *head())


class CallsTwice(nn.Module):
    """A model with a forward of its own that runs one block twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = conv(inputs=1), nn.Sequential(conv(Choice([1, 3])), nn.BatchNorm2d(WIDTH))
        self.again, self.head = self.block, nn.Sequential(*head())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.again(self.block(self.block(self.stem(x))).relu()))
        return y


MODELS = [
    one_relu,
    one_norm,
    one_elastic_norm,
    one_block_three_times,
    candidates_that_share,
    one_edge_in_two_cells,
    CallsTwice,
]
every_model = pytest.mark.parametrize("make", MODELS)


def supernet(make: Callable[[], nn.Module]) -> nas.Supernet:
    torch.manual_seed(0)
    return scramble(nas.Supernet(make(), input_shape=(1, 6, 6)))


@every_model
def test_the_verdict_is_that_of_the_network(make: Callable[[], nn.Module]) -> None:
    network, data = supernet(make), blobs()
    evaluator = SharedWeights(network, data, 64, 32)
    architectures = list(network.space)
    evaluated = rows(evaluator, architectures)
    delivered = [evaluate(evaluator.network(each), data.validation.batches(32), data.task) for each in architectures]
    assert [row["loss"] for row in evaluated] == pytest.approx([row["loss"] for row in delivered], rel=1e-5)
    assert len({round(row["loss"], 6) for row in evaluated}) > 1


@every_model
def test_the_network_computes_what_the_supernet_does_and_has_the_parameters_that_are_said(
    make: Callable[[], nn.Module],
) -> None:
    network, x = supernet(make).eval(), blobs().train.images[:8]
    costs = StaticCosts(network, (1, 8, 8))
    for architecture in network.space:
        network.activate(architecture)
        plain = network.extract(architecture)
        torch.testing.assert_close(plain(x), network(x))
        assert costs(architecture)["params"] == parameters(plain)


@every_model
def test_the_report_has_a_row_for_each_block(make: Callable[[], nn.Module]) -> None:
    network = supernet(make)
    costs: Any = StaticCosts(network, (1, 8, 8))
    setup: Any = SimpleNamespace(costs=costs, supernet=network)
    for architecture in network.space:
        running = [row["path"] for row in describe_blocks(setup, architecture) if not row["skipped"]]
        assert running == [block.path for block in costs.blocks(architecture)]


def test_blocks_that_use_one_layer_at_different_places_are_different_blocks() -> None:
    conv_1, conv_2 = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 3, padding=1)
    candidates = [nn.Sequential(conv_1, conv_2, last) for last in (conv_1, conv_2)]
    catalogue = Catalogue(nas.Supernet(nn.Sequential(OneOf(candidates))), (1, 8, 8))
    assert len(catalogue.blocks) == 2
