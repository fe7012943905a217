"""What the loop does around a step: mode, clipping, rates, records, and that it learns."""

from typing import Any

import pytest
import torch
from tiny import CLASSES, elastic, operations, split
from torch import Tensor, nn

import nas
from nas.errors import UsageError
from nas.sampling import Sandwich, Uniform
from nas.streams import Stream
from nas.training import Context, CrossEntropy, InPlaceDistillation, LossTerm, PlainStep, Recipe, SupernetStep, train
from nas.training.steps import Backward


def accuracy(network: nn.Module, seed: int = 1) -> float:
    x, y = next(split(60, seed).batches(60))
    with torch.no_grad():
        return float((network.eval()(x).argmax(1) == y).float().mean())


def flat(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, CLASSES))


def test_a_sandwich_trains_the_largest_and_the_smallest() -> None:
    supernet = elastic()
    objective: list[LossTerm] = [CrossEntropy(roles=["largest"]), InPlaceDistillation()]
    step = SupernetStep(supernet, Sandwich(supernet.space, seed=0), objective)
    recipe = Recipe(epochs=12, batch_size=16, learning_rate=0.05)
    history = train(step, split(96), recipe, seed=0)
    assert history[-1]["loss_largest"] < 0.5 * history[0]["loss_largest"]
    supernet.train()
    for architecture in (supernet.space.largest(), supernet.space.smallest()):
        supernet.activate(architecture)
        x, y = next(split(60, 1).batches(60))
        assert float((supernet(x).argmax(1) == y).float().mean()) > 0.6, "chance is one third"


def test_single_paths_train_every_operation() -> None:
    supernet = operations()
    step = SupernetStep(supernet, Uniform(supernet.space, seed=0), [CrossEntropy()])
    history = train(step, split(96), Recipe(epochs=8, batch_size=16, learning_rate=0.05), seed=0)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    network = supernet.extract(supernet.space.architecture({f"layer{i}": "skip" for i in range(3)}))
    assert accuracy(network) > 0.6


def test_an_epoch_reports_its_losses_and_its_rate() -> None:
    supernet = elastic()
    step = SupernetStep(supernet, Sandwich(supernet.space, seed=0), [CrossEntropy()])
    told: list[dict[str, Any]] = []
    recipe = Recipe(epochs=2, batch_size=8, learning_rate=0.1, warmup_epochs=0.5)
    history = train(step, split(), recipe, seed=0, on_epoch=told.append)
    assert told == history and [epoch["epoch"] for epoch in history] == [0, 1]
    roles = [f"loss_{role}" for role in ("largest", "random", "smallest")]
    for number, epoch in enumerate(history):
        assert set(epoch) == {"epoch", "loss", "learning_rate", "images_per_second", *roles}
        assert epoch["loss"] == pytest.approx(sum(epoch[role] for role in roles) / 3)
        assert epoch["learning_rate"] == recipe.learning_rate_at(4 * number + 3, 4)
        assert epoch["images_per_second"] > 0


def test_the_model_trains_in_training_mode_and_is_left_in_evaluation_mode() -> None:
    modes = []

    class Spy(PlainStep):
        def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
            modes.append(self.model.training)
            return super().__call__(context, backward)

    network = flat().eval()
    train(Spy(network, [CrossEntropy()]), split(), Recipe(epochs=2, batch_size=8), seed=0)
    assert modes == [True] * 8 and not network.training


def test_steps_are_counted_over_epochs() -> None:
    numbers: list[int] = []

    class Spy(PlainStep):
        def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
            numbers.append(context.step)
            return super().__call__(context, backward)

    train(Spy(flat(), [CrossEntropy()]), split(), Recipe(epochs=3, batch_size=16), seed=0)
    assert numbers == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("clip", [1e-3, 1e3])
def test_gradients_are_clipped(clip: float) -> None:
    network = flat()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    settings = Recipe(
        epochs=1, batch_size=32, learning_rate=0.5, warmup_epochs=0, momentum=0, weight_decay=0, clip=clip
    )
    x, y = next(split().shuffled(32, (0, Stream.BATCHES, 0)))
    torch.autograd.backward(nn.functional.cross_entropy(network(x), y))
    norm = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]).norm()
    train(PlainStep(network, [CrossEntropy()]), split(), settings, seed=0)
    moved = torch.cat([(a - b).flatten() for a, b in zip(network.parameters(), before, strict=True)]).norm()
    torch.testing.assert_close(moved.detach(), 0.5 * norm.clamp(max=clip), rtol=1e-3, atol=1e-7)


def test_one_step_is_that_of_torch() -> None:
    ours, theirs = flat(), flat()
    recipe = Recipe(epochs=2, batch_size=32, learning_rate=0.1, weight_decay=0.01, clip=1e6)
    optimizer = recipe.make_optimizer(theirs)
    for epoch in range(2):
        x, y = next(split().shuffled(32, (5, Stream.BATCHES, epoch)))
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(epoch, 1)
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(theirs(x), y))
        optimizer.step()
    train(PlainStep(ours, [CrossEntropy()]), split(), recipe, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_an_objective_that_never_applies_stops_the_training() -> None:
    supernet = elastic()
    step = SupernetStep(supernet, Uniform(supernet.space, seed=0), [CrossEntropy(roles=["largest"])])
    with pytest.raises(UsageError, match="no term of the objective applies to the path with role 'random'"):
        train(step, split(), Recipe(epochs=1), seed=0)


def test_frozen_parameters_are_not_trained() -> None:
    supernet = nas.Supernet(nn.Sequential(nn.Flatten(), nas.nn.Linear(36, nas.Choice([4, 8])), nn.ReLU(), Pad()))
    frozen = next(supernet.parameters()).requires_grad_(False)
    before = frozen.clone()
    step = SupernetStep(supernet, Uniform(supernet.space, seed=0), [CrossEntropy()])
    train(step, split(), Recipe(epochs=2, batch_size=8), seed=0)
    assert torch.equal(frozen, before)


class Pad(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, (0, 8 - x.shape[1]))
