"""AlphaNet on small networks: its limit is BigNAS, and nothing is ever not a number."""

from typing import Any

import pytest
import torch
from torch import Tensor

import nas
from nas.methods import METHODS
from nas.problem import Problem
from nas.training import Context, train_phases
from search_spaces.mobilenet import mobilenet


def problem(seed: int, rate: float = 0.1) -> Problem:
    torch.manual_seed(seed)
    model = mobilenet((1, 8, 8), 10, widths=(8, 8), strides=(1, 2), depths=(1, 2), stem=8, head=16)
    recipe = nas.Recipe(epochs=2, batch_size=16, learning_rate=rate, warmup_epochs=0)
    return Problem(nas.Supernet(model), nas.data.load("digits", limit=64), seed, recipe)


def gradients(method: str, **options: Any) -> Tensor:
    """Of one step in float64, at weights with which subnets disagree."""
    given = problem(0)
    (phase,) = METHODS[method].phases(given, **options)
    model = given.supernet.double().train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    x, y = next(iter(given.data.train.batches(16)))
    phase.take(Context(0, x.double(), y), Tensor.backward)
    return torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])


def test_order_one_alone_trains_as_bignas() -> None:
    theirs = gradients("bignas")
    torch.testing.assert_close(gradients("alphanet", orders=(1.0,)), theirs)
    assert (gradients("alphanet") - theirs).norm() > 0.01 * theirs.norm()


@pytest.mark.parametrize("seed", range(10))
def test_large_steps_give_no_nan(seed: int) -> None:
    given = problem(seed, rate=1.0)
    train_phases(METHODS["alphanet"].phases(given), seed=seed)
    assert all(tensor.isfinite().all() for tensor in given.supernet.state_dict().values())
