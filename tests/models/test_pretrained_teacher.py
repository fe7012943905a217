"""The network that was given teaches where its share says so, whatever the supernet becomes."""

import torch
from own_models import Small
from tiny import CLASSES, split
from torch import nn

import nas
from nas.data import Augment, ImageData
from nas.methods import METHODS
from nas.problem import Problem
from nas.tasks import Classification
from nas.training import CrossEntropy, Distillation, Forward, Recipe, train_phases


def problem(distillation: float) -> Problem:
    torch.manual_seed(0)
    model = Small((1, 6, 6), CLASSES).eval()
    images = ImageData("t", Classification(("a", "b", "c")), split(), split(seed=1), split(seed=2), Augment())
    supernet = nas.Supernet(nas.elastic(model, torch.randn(2, 1, 6, 6), width=[0.5, 1.0], divisor=2), None, (1, 6, 6))
    original = supernet.extract(supernet.space.largest()).eval()
    recipe = Recipe(epochs=1, batch_size=16, learning_rate=0.1)
    return Problem(supernet, images, recipe=recipe, pretrained=original, distillation=distillation)


def passed(given: Problem) -> Forward:
    x, y = next(iter(given.data.validation.batches(16)))
    return Forward(given.supernet(x), y, "random", {}, x)


def test_targets_keep_what_the_teacher_leaves() -> None:
    given = problem(0.25)
    forward = passed(given)
    assert given.pretrained is not None
    parts = CrossEntropy(weight=0.75)(forward), Distillation(given.pretrained, given.task, share=0.25)(forward)
    torch.testing.assert_close(given.loss()(forward), sum(parts))  # type: ignore[arg-type]
    assert given.loss(roles=["largest"])(forward) is None


def test_without_a_share_nobody_teaches() -> None:
    given = problem(0.0)
    assert given.loss()(passed(given)) == CrossEntropy()(passed(given))


def test_the_teacher_stays_as_it_was_given() -> None:
    given = problem(0.5)
    before = [value.clone() for value in state(given.pretrained)]
    train_phases(METHODS["spos"].phases(given), seed=0)
    assert all(map(torch.equal, before, state(given.pretrained)))
    trained = given.supernet.extract(given.supernet.space.largest())
    assert not all(map(torch.equal, before, state(trained)))


def state(network: nn.Module | None) -> list[torch.Tensor]:
    assert network is not None
    return list(network.state_dict().values())
