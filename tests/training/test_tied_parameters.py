"""One parameter of two layers is one in training, checkpoints, banks and retraining."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Always, split
from torch import Tensor, nn

import nas
from nas.costs import parameters
from nas.nn import BatchNorm2d, Conv2d, Linear, initialise
from nas.sharing import BalancedMixture, FewShot, RoutedExperts, Sharing
from nas.space import Choice
from nas.training import CrossEntropy, PlainStep, Recipe, SupernetStep, load_checkpoint, restore, save_checkpoint, train


class TiedPair(nn.Module):
    """Two convolutions of one weight around a batch norm."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        width = Choice([4, 8], name="width")
        self.stem, self.norm = Conv2d(inputs, width, 3, padding=1), BatchNorm2d(width)
        self.first, self.second = Conv2d(width, width, 1), Conv2d(width, width, 1)
        self.second.weight = self.first.weight
        self.head = Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.norm(self.first(self.stem(x))).relu())
        y: Tensor = self.head(x.mean((2, 3)))
        return y


def supernet(sharing: Sharing | None = None) -> nas.Supernet:
    torch.manual_seed(0)
    images = next(iter(split().batches(4)))[0]
    return nas.Supernet(TiedPair(images.shape[1], 10), sharing)


def recipe(**settings: Any) -> Recipe:
    return Recipe(epochs=2, batch_size=8, learning_rate=0.02, momentum=0.9, optimizer="sgd", **settings)


@pytest.mark.parametrize("masked", [False, True])
def test_training_moves_both_as_one(masked: bool) -> None:
    searched = supernet()
    smallest = searched.space.smallest()
    network = searched.extract(smallest)
    before = searched.model.first.weight.detach().clone()
    train(SupernetStep(searched, Always(smallest), [CrossEntropy()]), split(), recipe(masked=masked), seed=0)
    assert searched.model.second.weight is searched.model.first.weight
    assert torch.equal(searched.model.first.weight[4:], before[4:]) == masked
    train(PlainStep(network, [CrossEntropy()]), split(), recipe(), seed=0)
    assert network.second.weight is network.first.weight
    if masked:
        trained = searched.extract(smallest)
        torch.testing.assert_close(trained.first.weight, network.first.weight, rtol=1e-4, atol=1e-6)


def test_a_checkpoint_keeps_them_one(tmp_path: Path) -> None:
    trained, other = supernet(), supernet()
    for each in (trained, trained.extract(trained.space.smallest())):
        for parameter in each.parameters():
            nn.init.normal_(parameter)
    network, fresh = (each.extract(each.space.smallest()) for each in (trained, other))
    for source, target in ((trained, other), (network, fresh)):
        save_checkpoint(tmp_path / "tied.safetensors", source)
        restore(load_checkpoint(tmp_path / "tied.safetensors")[0], target)
        assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))
    assert other.model.second.weight is other.model.first.weight
    assert fresh.second.weight is fresh.first.weight


def test_fresh_weights_are_the_same_for_both() -> None:
    network = supernet().extract({"width": 4})
    assert initialise(network, 3).second.weight is network.first.weight


@pytest.mark.parametrize(
    "sharing",
    [BalancedMixture(2), FewShot("width", 0.0), RoutedExperts(2, only=("first", "second"))],
    ids=lambda sharing: sharing.name,
)
def test_banks_hold_them_once(sharing: Sharing) -> None:
    searched = supernet(sharing).eval()
    if isinstance(sharing, FewShot):
        sharing.divide()
    x = next(iter(split().batches(4)))[0]
    for architecture in searched.space:
        searched.activate(architecture)
        network = searched.extract(architecture)
        assert network.second.weight is network.first.weight
        torch.testing.assert_close(network(x), searched(x))
        assert parameters(network) == len(network.stem.bias) * (9 * x.shape[1] + 5 + architecture["width"] + 10) + 10
