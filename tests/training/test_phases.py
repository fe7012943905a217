"""A training in phases: whose epochs are whose, who is told what, and that a killed one ends as another."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import pytest
import torch
from tiny import CLASSES, elastic, split
from torch import Tensor, nn

from nas.data import Augment
from nas.errors import UsageError
from nas.sampling import Uniform
from nas.training import (
    Context,
    CrossEntropy,
    Epoch,
    Listener,
    Path,
    Phase,
    PlainStep,
    Recipe,
    SupernetStep,
    total_epochs,
    train,
    train_phases,
)
from nas.training.phase import spans

RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.05, warmup_epochs=0)


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, CLASSES)]
    return nn.Sequential(*layers)


def phase(model: nn.Module, **others: Any) -> Phase:
    return Phase(PlainStep(model, [CrossEntropy()]), split(), **{"recipe": RECIPE, **others})


class Diary(Listener):
    """Writes down what it is told, and counts steps across interruptions."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int, int, int]] = []
        self.steps = torch.zeros(())

    def begin(self, context: Context) -> None:
        self._note("begin", context)

    def before_step(self, context: Context) -> None:
        assert len(context.x) == len(context.y) and not context.losses

    def after_step(self, context: Context) -> None:
        assert [float(loss) > 0 for loss in context.losses] == [True]
        self.steps += 1
        self._note("step", context)

    def _note(self, what: str, context: Context) -> None:
        self.told.append((what, context.phase, context.epoch, context.step, context.recipe_step))

    def state(self) -> dict[str, Tensor]:
        return {"steps": self.steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.steps = state["steps"].clone()

    def record(self) -> dict[str, Any]:
        return {"steps": int(self.steps)}


def test_epochs_and_steps_are_counted_over_all_phases_and_in_each_recipe() -> None:
    model, diary = network(), Diary()
    small = RECIPE.model_copy(update={"epochs": 1, "batch_size": 16})
    phases = [phase(model, listeners=[diary], name="one", until=2), phase(model, listeners=[diary], name="rest")]
    phases.append(phase(model, recipe=small, listeners=[diary], name="last"))
    assert [(each.first, each.first_step, each.done, each.epochs) for each in spans(phases)] == [
        (0, 0, 0, 2),
        (2, 8, 2, 1),
        (3, 12, 0, 1),
    ]
    assert total_epochs(phases) == 4
    history = train_phases(phases, seed=0)
    assert [(epoch["phase"], epoch["epoch"], epoch["steps"]) for epoch in history] == [
        ("one", 0, 4),
        ("one", 1, 8),
        ("rest", 2, 12),
        ("last", 3, 14),
    ]
    begun = [entry for entry in diary.told if entry[0] == "begin"]
    assert begun == [("begin", 0, 0, 0, 0), ("begin", 1, 2, 8, 8), ("begin", 2, 3, 12, 0)]
    steps = [entry[3:] for entry in diary.told if entry[0] == "step"]
    assert steps == [*((step, step) for step in range(12)), (12, 0), (13, 1)]


def test_a_phase_cut_in_two_trains_as_one_bit_for_bit() -> None:
    """Optimiser and schedule go on where a phase ends before its recipe does."""
    whole, cut = network(), network()
    ours = train_phases([phase(whole)], seed=1)
    theirs = train_phases([phase(cut, until=1), phase(cut)], seed=1)
    assert [epoch["loss"] for epoch in ours] == [epoch["loss"] for epoch in theirs]
    assert all(torch.equal(tensor, cut.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_a_phase_with_a_recipe_of_its_own_begins_with_a_fresh_optimiser() -> None:
    momentum: list[int] = []

    class Looks(Listener):
        def begin(self, context: Context) -> None:
            assert context.optimizer is not None
            momentum.append(len(context.optimizer.state))

    model = network()
    train_phases([phase(model, until=1), phase(model, listeners=[Looks()]), phase(model, listeners=[Looks()])], seed=0)
    assert momentum[0] > 0 and momentum[1] == 0


class Killed(Exception):  # noqa: N818
    """Stands for a process that ends."""


def test_a_training_killed_after_every_epoch_ends_as_one_that_was_not(tmp_path: File) -> None:
    def phases() -> list[Phase]:
        model, diary = network(), Diary()
        first = phase(model, until=1, listeners=[diary])
        return [first, replace(first, until=None), phase(model, listeners=[diary], frozen=["0.*"])]

    straight = phases()
    history, file = train_phases(straight, seed=7), tmp_path / "net.safetensors"

    def kill(epoch: Epoch) -> None:
        raise Killed

    for _ in history:
        with pytest.raises(Killed):
            train_phases(phases(), seed=7, checkpoint=file, on_epoch=kill)
    last = phases()
    resumed = train_phases(last, seed=7, checkpoint=file, on_epoch=kill)
    assert [epoch["loss"] for epoch in resumed] == [epoch["loss"] for epoch in history]
    assert [epoch["steps"] for epoch in resumed] == [epoch["steps"] for epoch in history]
    ours, theirs = (each[0].step.model.state_dict() for each in (last, straight))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_a_listener_of_one_phase_is_remembered_through_another(tmp_path: File) -> None:
    def phases() -> list[Phase]:
        model, diary = network(), Diary()
        around = PlainStep(model, [CrossEntropy()])
        outer = [Phase(around, split(), RECIPE, listeners=[diary]) for _ in range(2)]
        return [outer[0], phase(model), outer[1]]

    history, file = train_phases(phases(), seed=7), tmp_path / "net.safetensors"
    train_phases(phases(), seed=7, checkpoint=file, until=4)
    resumed = train_phases(phases(), seed=7, checkpoint=file)
    assert [epoch.get("steps") for epoch in resumed] == [epoch.get("steps") for epoch in history]
    assert [epoch["loss"] for epoch in resumed] == [epoch["loss"] for epoch in history]


def test_frozen_parameters_stay_and_learn_again_in_the_next_phase() -> None:
    model = network()
    model[4].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train_phases([phase(model, frozen=["0.*"])], seed=0)
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"1.weight", "1.bias", "4.weight"}
    train_phases([phase(model, frozen=["0.*"]), phase(model)], seed=0)
    assert not torch.equal(model[0].weight, before["0.weight"]) and torch.equal(model[4].bias, before["4.bias"])


def test_parts_of_a_step_that_listen_are_told_by_themselves() -> None:
    supernet = elastic()

    class Twice(Listener):
        """Trains each architecture twice, and remembers losses and norms of what it drew."""

        wants_gradient_norms = True
        found: list[tuple[float, float]]

        def __init__(self) -> None:
            self.paths, self.found = Uniform(supernet.space, 0), []

        def draw(self, context: Context) -> list[Path]:
            return 2 * self.paths.draw(context)

        def after_step(self, context: Context) -> None:
            assert context.gradient_norms is not None and len(context.paths) == len(context.losses) == 2
            self.found.append((float(context.losses[0]), float(context.gradient_norms[0])))

    class Constant(Listener):
        steps = 0

        def __call__(self, forward: Any) -> Tensor | None:
            return CrossEntropy()(forward)

        def before_step(self, context: Context) -> None:
            self.steps += 1

    sampler, term = Twice(), Constant()
    step = SupernetStep(supernet, sampler, [term])
    train(step, split(), RECIPE, seed=0)
    assert term.steps == len(sampler.found) == 12
    assert all(loss > 0 and norm > 0 for loss, norm in sampler.found)


def test_the_norm_of_a_path_is_that_of_its_gradient_alone() -> None:
    supernet = elastic().eval()
    x, y = next(split().batches(8))
    step = SupernetStep(supernet, Uniform(supernet.space, 3, paths=3), [CrossEntropy()])
    context = Context(0, x, y, gradient_norms=())
    Phase(step, split(), RECIPE).take(context, Tensor.backward)
    assert context.gradient_norms is not None
    for path, norm in zip(context.paths, context.gradient_norms, strict=True):
        supernet.zero_grad()
        supernet.activate(path.architecture)
        torch.autograd.backward(nn.functional.cross_entropy(supernet(x), y))
        gradients = [p.grad.norm() for p in supernet.parameters() if p.grad is not None]
        torch.testing.assert_close(norm, torch.stack(gradients).norm())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda model: [], "a training needs at least one phase with an epoch"),
        (lambda model: [phase(model), phase(network())], "phase 2 trains another model than the first"),
        (lambda model: [phase(model, until=0)], "at least one phase with an epoch"),
        (phase, r"needs a list of nas\.training\.Phase, but got Phase"),
        (lambda model: [phase(model, frozen=["stem.*"])], r"phase 1 freezes 'stem\.\*', but no parameter of the model"),
        (lambda model: [phase(model, until=4)], r"phase 1 ends after 4 epochs of its recipe, which has 3"),
        (lambda model: [phase(model, until=2), phase(model, until=1)], r"phase 2 ends after 1 epoch of its recipe"),
        (
            lambda model: [phase(model, until=2), phase(model, recipe=RECIPE.model_copy(update={"clip": 1.0}))],
            r"phase 2 has another recipe, but phase 1 ends after 2 of 3 epochs",
        ),
    ],
)
def test_phases_that_do_not_go_together_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        train_phases(make(network()), seed=0)


def test_a_checkpoint_of_another_number_of_phases_is_refused(tmp_path: File) -> None:
    model, file = network(), tmp_path / "net.safetensors"
    train_phases([phase(model)], seed=0, checkpoint=file)
    with pytest.raises(UsageError, match=r"is of a training in 1 phase, not 2; use the same settings"):
        train_phases([phase(model, until=1), phase(model)], seed=0, checkpoint=file)


@pytest.mark.parametrize(("change", "name"), [({"until": 2}, "until"), ({"frozen": ["0.*"]}, "frozen")])
def test_a_checkpoint_of_other_phases_is_refused(change: dict[str, Any], name: str, tmp_path: File) -> None:
    model, file = network(), tmp_path / "net.safetensors"
    train_phases([phase(model, until=1), phase(model)], seed=0, checkpoint=file, until=1)
    with pytest.raises(UsageError, match=f"is of phases with {name} "):
        train_phases([replace(phase(model, until=1), **change), phase(model)], seed=0, checkpoint=file)


@pytest.mark.parametrize("drawn", [[], ["an architecture"]])
def test_a_sampler_that_draws_no_path_is_refused(drawn: list[Any]) -> None:
    class Draws:
        def draw(self, context: Context) -> list[Any]:
            return drawn

    with pytest.raises(UsageError, match=r"Draws drew \[.*\] in step 0; draw one nas\.training\.Path or more"):
        train(SupernetStep(elastic(), Draws(), [CrossEntropy()]), split(), RECIPE, seed=0)


def test_a_training_of_one_phase_is_that_phase() -> None:
    one, other, augment = network(), network(), Augment(flip=True)
    ours = train(PlainStep(one, [CrossEntropy()]), split(), RECIPE, seed=5, augment=augment)
    theirs = train_phases([phase(other, augment=augment)], seed=5)
    assert [epoch["loss"] for epoch in ours] == [epoch["loss"] for epoch in theirs]
