"""Subnets that learn the features and outputs of the largest network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import check_resumed
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.methods import METHODS
from nas.methods.feature_distillation import FeatureDistillation
from nas.nn.tree import modules
from nas.problem import Problem
from nas.training import Context, Forward, Phase, SupernetStep, train_phases
from search_spaces.autoformer import autoformer
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet

SHAPE = (1, 8, 8)


def convolutional(strides: tuple[int, int] = (2, 2)) -> nn.Module:
    return mobilenet(SHAPE, 10, widths=(16, 32), strides=strides, depths=(1, 2), stem=8, head=16)


def vision_transformer() -> nn.Module:
    return autoformer(SHAPE, 10, patch=4, widths=(8, 16), depths=(1, 2), heads=(1, 2), head_dim=4, ratios=(1, 2))


def problem(model: nn.Module | None = None, epochs: int = 4, **extra: Any) -> Problem:
    torch.manual_seed(0)
    supernet = nas.Supernet(model or convolutional(), extra=extra)
    return Problem(supernet, nas.data.load("digits", limit=96), 3, nas.Recipe(epochs=epochs, batch_size=32))


def phases_of(given: Problem, **options: Any) -> list[Phase]:
    return list(METHODS["lighthubert"].phases(given, **options))


def parts(given: Problem) -> tuple[Phase, Any, FeatureDistillation]:
    """The second phase, and its two terms."""
    last = phases_of(given)[-1]
    assert isinstance(last.step, SupernetStep)
    teacher, features = last.step.objective
    assert isinstance(features, FeatureDistillation)
    return last, teacher, features


def test_the_largest_comes_first_and_stays_among_the_subnets() -> None:
    given = problem(epochs=10)
    largest = given.supernet.space.largest()
    for share, epochs in ((0.5, [5, 5]), (0.25, [2, 8]), (0.01, [1, 9]), (0.99, [9, 1])):
        alone, together = phases_of(given, first=share)
        assert [alone.recipe.epochs, together.recipe.epochs] == epochs
    assert isinstance(alone.step, SupernetStep) and isinstance(together.step, SupernetStep)
    for number in range(10):
        assert [path.architecture for path in alone.step.paths.draw(Context(number))] == [largest]
        drawn = [path.architecture for path in together.step.paths.draw(Context(number))]
        assert len(drawn) == 2 and (number % 2 or drawn[0] == largest)


@pytest.mark.parametrize("make", [convolutional, vision_transformer])
def test_the_largest_as_it_was_has_no_loss_and_a_subnet_that_of_its_leading_features(make: Any) -> None:
    given = problem(make())
    train_phases(phases_of(given)[:1], seed=0)
    supernet, (_, teacher, features) = given.supernet, parts(given)
    x, y = next(iter(given.data.train.batches(8)))
    features.before_step(Context(0))
    for architecture in (supernet.space.largest(), supernet.space.smallest()):
        supernet.activate(architecture)
        forward = Forward(supernet(x), y, "random", {}, x)
        outputs, distance = (term(forward).detach() for term in (teacher, features))  # type: ignore[union-attr]
        same = architecture == supernet.space.largest()
        assert (float(outputs) < 1e-6) is same and (float(distance) < 1e-9) is same
    features.after_step(Context(0))
    networks = [supernet.extract(each).eval() for each in (supernet.space.largest(), supernet.space.smallest())]
    stages = [path for path, module in modules(supernet.model) if isinstance(module, nas.nn.Repeat)]
    expected = []
    for path in stages:
        taught, learnt = (_given(network, path, x) for network in networks)
        taught = taught[:, : learnt.shape[1], ..., : learnt.shape[-1]]
        expected.append((learnt - taught).square().mean() / taught.square().mean())
    torch.testing.assert_close(distance, torch.stack(expected).mean())


def _given(network: nn.Module, path: str, x: Tensor) -> Tensor:
    """What a module gives on the way."""
    for name, child in network.named_children():
        x = child(x)
        if name == path:
            break
    return x


def test_the_gradient_reaches_the_subnet_alone_and_hooks_do_not_stay() -> None:
    given = problem()
    last, teacher, _ = parts(given)
    x, y = next(iter(given.data.train.batches(8)))
    given.supernet.train()
    losses = last.take(Context(1, x, y), torch.autograd.backward)
    assert losses and all(p.grad is None for p in teacher.network.parameters())
    assert any(p.grad is not None for p in given.supernet.parameters())
    assert not any(module._forward_hooks for module in given.supernet.modules())


def test_stages_at_another_resolution_are_left_out() -> None:
    given = problem(convolutional((1, 2)), image_size=[6, 8])
    supernet, (_, teacher, features) = given.supernet, parts(given)
    x, y = next(iter(given.data.train.batches(8)))
    features.before_step(Context(0))
    for size in (6, 8):
        supernet.activate({**supernet.space.smallest(), "image_size": size})
        forward = Forward(supernet(x), y, "random", {}, x)
        teacher(forward)
        assert (features(forward) is None) is (size == 6)
    features.after_step(Context(0))


def test_subnets_come_near_the_largest() -> None:
    given = problem(epochs=12)
    history = train_phases(phases_of(given), seed=0)
    subnets = [epoch["loss_random"] for epoch in history if epoch["phase"] == "subnets"]
    assert len(subnets) == 6 and subnets[-1] < 0.8 * subnets[0]


def test_a_training_killed_after_every_epoch_ends_as_one_that_was_not(tmp_path: Path) -> None:
    def run(**options: Any) -> nas.Supernet:
        made = problem()
        train_phases(phases_of(made), seed=3, **options)
        return made.supernet

    check_resumed(run, tmp_path / "net.safetensors")


def test_what_cannot_be_trained_so_is_refused() -> None:
    with pytest.raises(UsageError, match=r"but none of this model always runs; use a space that chooses its depth"):
        phases_of(problem(chain(SHAPE, 10, layers=(1, 1), width=4, head=8)))
    with pytest.raises(UsageError, match=r"but training\.epochs is 1, of which a share of 0\.5 is for the first"):
        phases_of(problem(epochs=1))
    with pytest.raises(UsageError, match="a share of 1 is for the first"):
        phases_of(problem(), first=1.0)
