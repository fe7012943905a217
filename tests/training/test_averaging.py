"""The moving average of the weights is what is evaluated, and training goes on from the weights as they are."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CLASSES, elastic, split
from torch import Tensor, nn

from nas.methods.magnitude_pruning import MagnitudePruning
from nas.sampling import Uniform
from nas.training import (
    Context,
    CrossEntropy,
    Epoch,
    Phase,
    PlainStep,
    Recipe,
    SupernetStep,
    load_checkpoint,
    train_phases,
)
from nas.training.averaging import WeightAverage
from nas.training.steps import Backward

DECAY = 0.6
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.05, warmup_epochs=0)
AVERAGED = RECIPE.model_copy(update={"weight_average": DECAY})


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, CLASSES)]
    return nn.Sequential(*layers)


def supernet() -> nn.Module:
    return elastic()


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in model.state_dict().items()}


def phases(model: Any, recipe: Recipe, until: int | None = None) -> list[Phase]:
    """One phase, or two of one recipe."""
    step: Any = PlainStep(model, [CrossEntropy()])
    if hasattr(model, "space"):
        step = SupernetStep(model, Uniform(model.space, 0), [CrossEntropy()])
    whole = Phase(step, split(), recipe)
    return [whole] if until is None else [Phase(step, split(), recipe, until=until), whole]


class Watching(PlainStep):
    """Keeps the weights with which every step begins."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, [CrossEntropy()])
        self.seen: list[dict[str, Tensor]] = []

    def __call__(self, context: Context, backward: Backward) -> dict[str, Tensor]:
        self.seen.append(weights(self.model))
        return super().__call__(context, backward)


def test_the_model_ends_as_the_average_by_hand() -> None:
    plain, step = network(), Watching(network())
    train_phases(phases(plain, RECIPE), seed=3)
    train_phases([Phase(step, split(), AVERAGED)], seed=3)
    first, *later = [*step.seen, weights(plain)]
    assert len(later) == 12
    found = weights(step.model)
    for name in ("0.weight", "1.running_var", "4.bias"):
        expected = first[name].double()
        for number, after in enumerate(later):
            decay = min(DECAY, (1 + number) / (10 + number))
            expected = decay * expected + (1 - decay) * after[name].double()
        torch.testing.assert_close(found[name].double(), expected, rtol=1e-5, atol=1e-7)
        assert not torch.equal(found[name], later[-1][name])


@pytest.mark.parametrize("make", [network, supernet])
def test_nothing_else_of_the_training_changes(make: Any, tmp_path: Path) -> None:
    file, plain, averaged = tmp_path / "net.safetensors", make(), make()
    ours = train_phases(phases(plain, RECIPE), seed=1)
    theirs = train_phases(phases(averaged, AVERAGED), seed=1, checkpoint=file)
    assert [epoch["loss"] for epoch in ours] == [epoch["loss"] for epoch in theirs]
    tensors, _ = load_checkpoint(file)
    for name, each in plain.named_parameters():
        assert torch.equal(tensors[f"trained/{name}"], each)
        assert torch.equal(tensors[f"model/{name}"], dict(averaged.named_parameters())[name])


def test_a_checkpoint_without_averages_has_the_weights_once(tmp_path: Path) -> None:
    train_phases(phases(network(), RECIPE), seed=1, checkpoint=tmp_path / "net.safetensors")
    assert not any(name.startswith("trained/") for name in load_checkpoint(tmp_path / "net.safetensors")[0])


class Killed(Exception):  # noqa: N818
    """Stands for a process that ends."""


@pytest.mark.parametrize("until", [None, 1])
@pytest.mark.parametrize("make", [network, supernet])
def test_a_killed_training_ends_with_the_same_average(make: Any, until: int | None, tmp_path: Path) -> None:
    straight, told = make(), list[dict[str, Tensor]]()
    history = train_phases(phases(straight, AVERAGED, until), seed=7, on_epoch=lambda _: told.append(weights(straight)))

    def kill(epoch: Epoch) -> None:
        raise Killed

    file = tmp_path / "net.safetensors"
    for done in range(len(history)):
        with pytest.raises(Killed):
            train_phases(phases(make(), AVERAGED, until), seed=7, checkpoint=file, on_epoch=kill)
        tensors, _ = load_checkpoint(file)
        assert all(torch.equal(tensors[f"model/{name}"], each) for name, each in told[done].items())
    last = make()
    train_phases(phases(last, AVERAGED, until), seed=7, checkpoint=file)
    assert all(torch.equal(each, weights(straight)[name]) for name, each in weights(last).items())
    assert all(torch.equal(each, told[-1][name]) for name, each in weights(last).items())


def test_a_training_that_is_stopped_ends_with_its_average(tmp_path: Path) -> None:
    file, stopped, short = tmp_path / "net.safetensors", network(), network()
    train_phases(phases(short, AVERAGED), seed=2, until=2)
    asked = iter([False, True])
    assert len(train_phases(phases(stopped, AVERAGED), seed=2, checkpoint=file, stop=lambda: next(asked))) == 2
    again = network()
    assert len(train_phases(phases(again, AVERAGED), seed=2, checkpoint=file)) == 2
    for model in (stopped, again):
        assert all(torch.equal(each, weights(short)[name]) for name, each in weights(model).items())


def test_what_is_pruned_is_zero_in_the_average() -> None:
    model = network()
    pruning = MagnitudePruning(model, 0.5, until=0.5)
    train_phases([Phase(PlainStep(model, [CrossEntropy()]), split(), AVERAGED, listeners=[pruning])], seed=0)
    matrices = [each for each in model.parameters() if each.dim() > 1]
    assert sum(int((each == 0).sum()) for each in matrices) >= sum(each.numel() for each in matrices) / 2


def test_a_decay_of_zero_keeps_nothing() -> None:
    model = network()
    average, before = WeightAverage(model, 0.0), weights(model)
    average.update(0)
    average.exchange()
    assert not average.others and all(torch.equal(each, weights(model)[name]) for name, each in before.items())
