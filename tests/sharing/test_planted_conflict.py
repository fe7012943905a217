"""A conflict by construction: half of the architectures see the input negated, so one linear layer can serve no one.

A scheme that finds the halves gets to what each architecture reaches alone, which is known exactly.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nas
from nas.data import Augment, ImageData, ImageSplit
from nas.methods import METHODS
from nas.nn import Elastic
from nas.nn.gate import single_value
from nas.problem import Problem
from nas.sharing import BalancedMixture, Partition, RoutedExperts
from nas.tasks import Classification
from nas.training import Recipe, train_phases

SIZE, CLASSES, BATCH = 16, 8, 64
SIGNS, NOISES = ("plain", "negated"), (1.0, 1.4, 1.8)
MEANS = 1.2 * torch.randn(CLASSES, SIZE, generator=torch.Generator().manual_seed(7))


class View(Elastic):
    """Adds so much of the noise in the second half of the input ``[N, 1, 1, 32]`` to the first, and may negate it."""

    def __init__(self) -> None:
        super().__init__()
        self.arguments = {"sign": nas.Choice(SIGNS, name="sign"), "noise": nas.Choice(NOISES, name="noise")}

    def configure(self, gates: Any) -> None:
        sign, noise = (single_value(self.arguments[name], gates, name) for name in ("sign", "noise"))
        eye = torch.eye(SIZE)
        self.matrix = torch.cat([eye, float(noise) * eye], 1) * (-1.0 if sign == "negated" else 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.matrix.T

    def plain(self, copy: Any) -> nn.Module:
        layer = nn.Linear(2 * SIZE, SIZE, bias=False)
        layer.weight = nn.Parameter(self.matrix.clone())
        return nn.Sequential(nn.Flatten(), layer)


def examples(count: int, seed: int) -> ImageSplit:
    """Gaussian classes, and noise of the same shape."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    pixels = torch.cat([MEANS[labels], torch.randn(count, SIZE, generator=generator)], 1)
    return ImageSplit(pixels[:, None, None, :], labels, torch.zeros(1), torch.ones(1))


TEST = examples(2000, 3)


def trained(method: str, steps: int, recipe: dict[str, Any], **sharing: Any) -> nas.Supernet:
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("view", View())
    model.add_module("head", nn.Linear(SIZE, CLASSES))
    supernet = nas.Supernet(model, METHODS[method].make_sharing(sharing, seed=0))
    task = Classification([str(label) for label in range(CLASSES)])
    data = ImageData("planted", task, examples(BATCH * steps // 8, 1), examples(2000, 2), TEST, Augment())
    given = Recipe(**{"epochs": 8, "batch_size": BATCH, "weight_decay": 0.0, "warmup_epochs": 0.0, **recipe})
    train_phases(METHODS[method].phases(Problem(supernet, data, recipe=given)), seed=0)
    return supernet


@torch.no_grad()
def gap(supernet: nas.Supernet) -> float:
    """Percent of the test examples that architectures lack on average of the nearest mean, the best rule for each."""
    lacking = []
    x = TEST.images.flatten(1)
    for architecture in supernet.space:
        seen = x[:, :SIZE] + architecture["noise"] * x[:, SIZE:]
        alone = (torch.cdist(seen, MEANS).argmin(1) == TEST.labels).float().mean()
        supernet.activate(architecture)
        lacking.append(float(alone - (supernet(TEST.images).argmax(1) == TEST.labels).float().mean()))
    return 100 * float(np.mean(lacking))


def banks(supernet: nas.Supernet) -> set[tuple[str, int]]:
    """Which signs are in which bank."""
    scheme: Any = supernet.sharing
    return {(each["sign"], scheme.bank_of(each)) for each in supernet.space}


def test_one_set_of_weights_serves_no_one() -> None:
    assert gap(trained("spos", 240, {"learning_rate": 0.1})) > 30


@pytest.mark.parametrize("scores", ["paired", "table", "published"])
def test_a_balanced_mixture_finds_the_halves(scores: str) -> None:
    supernet = trained("balanced-mixture", 400, {"learning_rate": 0.1}, models=2, scores=scores)
    assert isinstance(supernet.sharing, BalancedMixture)
    assert len(banks(supernet)) == 2, "each sign has one bank, and equal shares give them different ones"
    assert gap(supernet) < 2


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("few-shot", {"split_at": 0.25}),
        ("gradient-matching", {"split_at": [0.25], "repeats": 3}),
        ("gradient-matching", {"split_at": [0.25, 0.5], "repeats": 3, "sizes": "any"}),
    ],
)
def test_the_space_is_cut_where_the_conflict_is(method: str, options: dict[str, Any]) -> None:
    supernet = trained(method, 400, {"learning_rate": 0.1}, **options)
    scheme = supernet.sharing
    assert isinstance(scheme, Partition) and scheme.divisions[0].choice == "sign"
    assert gap(supernet) < 2


@pytest.mark.slow
def test_routers_give_each_half_an_expert() -> None:
    supernet = trained(
        "mixture-of-supernets", 800, {"optimizer": "adamw", "learning_rate": 0.01}, experts=2, only=["head"]
    )
    scheme = supernet.sharing
    assert isinstance(scheme, RoutedExperts)
    gates = [
        next(iter(scheme.gates(supernet.space.architecture({"sign": sign, "noise": 1.4})).values())) for sign in SIGNS
    ]
    assert all(float(each.max()) > 0.9 for each in gates) and gates[0].argmax() != gates[1].argmax()
    assert gap(supernet) < 2
