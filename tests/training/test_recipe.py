"""The schedule's end points and the optimisers."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from nas.training import Recipe


def test_the_schedule_warms_up_and_ends_at_zero() -> None:
    recipe = Recipe(epochs=10, learning_rate=0.4, warmup_epochs=2)
    rates = [recipe.learning_rate_at(step, steps_per_epoch=5) for step in range(51)]
    assert rates[0] == pytest.approx(0.4 / 11)
    assert rates[9] == pytest.approx(0.4 * 10 / 11)
    assert rates[10] == max(rates) == 0.4
    assert rates[30] == pytest.approx(0.2), "half way down the cosine"
    assert rates[50] == pytest.approx(0, abs=1e-15)
    assert 0 < rates[49] < 0.4 * (math.pi / 40) ** 2
    assert all(a < b for a, b in pairwise(rates[:11]))
    assert all(a > b for a, b in pairwise(rates[10:]))


@pytest.mark.parametrize(("warmup", "steps"), [(0, 7), (0.5, 6), (1, 1)])
def test_the_peak_is_reached_whatever_the_warm_up(warmup: float, steps: int) -> None:
    recipe = Recipe(epochs=4, learning_rate=1.0, warmup_epochs=warmup)
    rates = [recipe.learning_rate_at(step, steps) for step in range(4 * steps + 1)]
    assert max(rates) == rates[round(warmup * steps)] == 1.0
    assert min(rates) >= 0 and rates[-1] == pytest.approx(0, abs=1e-12)


def test_a_warm_up_longer_than_the_training_only_rises() -> None:
    recipe = Recipe(epochs=2, learning_rate=1.0, warmup_epochs=5)
    rates = [recipe.learning_rate_at(step, 3) for step in range(6)]
    assert rates == sorted(rates) and rates[-1] < 1


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"optimizer": "sgd"}, torch.optim.SGD),
        ({"optimizer": "sgd", "momentum": 0}, torch.optim.SGD),
        ({"optimizer": "adamw"}, torch.optim.AdamW),
    ],
)
def test_the_optimiser_decays_matrices_only(settings: dict[str, Any], kind: type) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    network[2].bias.requires_grad_(False)
    optimizer = Recipe(weight_decay=0.01, **settings).make_optimizer(network)
    assert type(optimizer) is kind
    decayed, plain = optimizer.param_groups
    assert decayed["weight_decay"] == 0.01 and plain["weight_decay"] == 0
    assert decayed["params"] == [network[0].weight, network[2].weight]
    assert plain["params"] == [network[0].bias, network[1].weight, network[1].bias]
    if kind is torch.optim.SGD:
        assert decayed["nesterov"] == (settings.get("momentum", 0.9) > 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0},
        {"learning_rate": math.inf},
        {"momentum": 1},
        {"weight_decay": -1},
        {"clip": 0},
        {"label_smoothing": 1},
        {"optimizer": "lion"},
        {"final_learning_rate": -0.1},
        {"drop_path": 1},
        {"auxiliary": -0.4},
        {"cutout": -1},
        {"lr": 0.1},
    ],
)
def test_impossible_numbers_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Recipe(**wrong)
