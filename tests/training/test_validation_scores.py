"""What a balanced mixture learns from training, and what training is without it."""

from collections.abc import Callable, Sequence
from pathlib import Path as File
from typing import TypeVar

import numpy as np
import pytest
import torch
from tiny import CLASSES, elastic, operations, split
from torch import Tensor, nn

import nas
from nas.nn.batch_norms import batch_statistics
from nas.sampling import Fair, InBanks, Sandwich, Uniform
from nas.sharing import BalancedMixture
from nas.sharing.balanced_mixture import Scoring
from nas.space import Architecture
from nas.tasks import Classification, Language
from nas.training import (
    BatchStream,
    Context,
    CrossEntropy,
    Epoch,
    Path,
    Phase,
    Recipe,
    Specialisation,
    SupernetStep,
    ValidationScores,
    scores_of,
    train,
    train_phases,
)

T = TypeVar("T")
TASK = Classification(["cat", "dog", "owl"])
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.05, weight_decay=0.01, warmup_epochs=0)
STEPS = 4
"""Of an epoch of the 32 training images."""


RULES: list[Scoring] = ["paired", "table", "published"]


def mixture_of(
    models: int, model: nn.Module | None = None, scores: Scoring = "paired"
) -> tuple[nas.Supernet, BalancedMixture]:
    mixture = BalancedMixture(models, scores=scores)
    return nas.Supernet(model or operations().model, mixture), mixture


def listener_of(supernet: nas.Supernet, kind: Callable[..., T]) -> T:
    stream = BatchStream(split(seed=1), 8, (0, 2))
    return kind(supernet, supernet.sharing, TASK, stream)


def phase_of(models: int, scores: Scoring = "paired", epochs: int = 3) -> tuple[Phase, BalancedMixture]:
    supernet, mixture = mixture_of(models, scores=scores)
    paths = InBanks(Uniform(supernet.space, seed=1), mixture, seed=1)
    step = SupernetStep(supernet, paths, [CrossEntropy()])
    listeners = [listener_of(supernet, kind) for kind in (scores_of, Specialisation)]
    recipe = RECIPE.model_copy(update={"epochs": epochs})
    return Phase(step, split(), recipe, listeners=listeners), mixture


@pytest.mark.parametrize("sampler", [Uniform, Fair, Sandwich])
def test_architectures_and_roles_are_those_of_the_sampler_inside(sampler: type) -> None:
    supernet, mixture = mixture_of(3, elastic().model)
    inside = sampler(supernet.space, seed=4)
    outside = InBanks(sampler(supernet.space, seed=4), mixture, seed=4)
    for step in range(20):
        drawn = outside.draw(Context(step))
        assert [path[:2] for path in drawn] == [path[:2] for path in inside.draw(Context(step))]
        assert all(path.bank in (0, 1, 2) for path in drawn)
        assert list(outside.draw(Context(step))) == list(drawn)


def test_banks_are_drawn_by_the_probabilities_of_the_architecture() -> None:
    supernet, mixture = mixture_of(2)
    sure, open_ = supernet.space.smallest(), supernet.space.largest()
    mixture.compare([mixture.row_of(sure)], np.array([[-1.0, 1.0]]))

    class Two:
        def draw(self, context: Context) -> list[Path]:
            return [Path(sure, "random"), Path(open_, "random")]

    mixture.balance(100.0)
    banks = np.array(
        [[path.bank for path in InBanks(Two(), mixture, seed=0).draw(Context(step))] for step in range(400)]
    )
    assert np.all(banks[:, 0] == 1)
    assert banks[:, 1].mean() == pytest.approx(mixture.probability(open_)[1], abs=0.07)


@pytest.mark.parametrize("temperature", [1.0, 100.0])
def test_every_bank_trains_an_equal_share_of_the_steps(temperature: float) -> None:
    supernet, mixture = mixture_of(4)
    generator = np.random.default_rng(0)
    mixture.scores = generator.random(mixture.scores.shape) + np.array([0.2, 0, 0, 0.1])
    mixture.balance(temperature)
    paths = InBanks(Uniform(supernet.space, seed=0), mixture, seed=0)
    banks = [path.bank for step in range(4000) for path in paths.draw(Context(step))]
    np.testing.assert_allclose(np.bincount(banks) / 4000, 0.25, atol=0.02)


@pytest.mark.parametrize("scores", RULES)
def test_one_model_trains_bit_for_bit_as_one_path_does(scores: Scoring) -> None:
    plain = operations()
    history = train(SupernetStep(plain, Uniform(plain.space, seed=1), [CrossEntropy()]), split(), RECIPE, seed=3)
    phase, mixture = phase_of(1, scores)
    mixed = train_phases([phase], seed=3)
    assert [epoch["loss"] for epoch in mixed] == [epoch["loss"] for epoch in history]
    assert mixture.untried < 1, "scores were told"
    state = phase.step.model.state_dict()
    for name, tensor in plain.state_dict().items():
        assert torch.equal(state[name], tensor), name


@pytest.mark.parametrize("scores", RULES)
def test_scoring_moves_nothing_but_the_scores(scores: Scoring) -> None:
    supernet, _ = mixture_of(2, scores=scores)
    supernet.train()
    supernet.model.get_submodule("head").eval()
    told, compared = listener_of(supernet, scores_of), listener_of(supernet, Specialisation)
    modes = [module.training for module in supernet.modules()]
    state = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    random = torch.get_rng_state()
    paths = [Path(supernet.space.sample(seed), "random", seed % 2) for seed in range(4)]
    for path in paths:
        supernet.activate(path.architecture, path.bank)
    for each in (told, compared):
        each.before_step(Context(0))
        each.after_step(Context(0, paths=paths))
    assert [module.training for module in supernet.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    changed = [name for name, tensor in supernet.state_dict().items() if not torch.equal(tensor, state[name])]
    assert changed == ["sharing._extra_state"]
    assert all(parameter.grad is None for parameter in supernet.parameters())


def test_the_published_score_is_the_accuracy_of_the_bank_on_the_validation_batch_of_the_step() -> None:
    supernet, mixture = mixture_of(2, scores="published")
    supernet.train()
    architecture = supernet.space.largest()
    feedback, told = listener_of(supernet, scores_of), list[float]()
    for step in range(6):
        feedback.after_step(Context(step, paths=[Path(architecture, "random", 1)]))
        x, y = BatchStream(split(seed=1), 8, (0, 2)).at(step)
        network = supernet.extract(architecture, bank=1)
        with batch_statistics(network):
            told.append(float((network(x).argmax(1) == y).float().mean()))
    row = mixture.row_of(architecture)
    expected = np.average(told, weights=0.9 ** np.arange(6)[::-1])
    np.testing.assert_allclose(mixture.scores[row], [1.0, expected], rtol=1e-6)


def losses(supernet: nas.Supernet, architecture: Architecture, step: int) -> np.ndarray:
    x, y = BatchStream(split(seed=1), 8, (0, 2)).at(step)
    found = []
    for bank in range(supernet.sharing.banks):
        network = supernet.extract(architecture, bank=bank)
        with batch_statistics(network), torch.no_grad():
            found.append(float(nn.functional.cross_entropy(network(x), y)))
    return np.array(found)


def test_paired_scores_compare_the_losses_of_all_banks_on_one_batch() -> None:
    supernet, mixture = mixture_of(3)
    supernet.train()
    architecture, expected = supernet.space.largest(), np.zeros(3)
    for step in range(4):
        listener_of(supernet, scores_of).after_step(Context(step, paths=[Path(architecture, "random", 1)]))
        assert supernet.bank == 1, "the path of the step is active again"
        found = -losses(supernet, architecture, step)
        expected = 0.9 * expected + 0.1 * (found - found.mean())
    np.testing.assert_allclose(mixture.scores[mixture.row_of(architecture)], expected, rtol=1e-4, atol=1e-6)
    assert np.ptp(expected) > 0


def test_a_table_compares_all_rows_as_an_epoch_begins_on_the_same_batch() -> None:
    supernet, mixture = mixture_of(2, scores="table")
    supernet.train()
    feedback = listener_of(supernet, scores_of)
    for step in range(STEPS + 1):
        feedback.before_step(Context(step, position=step % STEPS))
    assert np.all(mixture.told == 2)
    for architecture in supernet.space:
        found = -losses(supernet, architecture, 0)
        expected = 0.75 * (found - found.mean())
        np.testing.assert_allclose(mixture.scores[mixture.row_of(architecture)], expected, rtol=1e-4, atol=1e-6)


def test_characters_are_scored_as_images_are() -> None:
    class Says(nn.Module):
        """The token itself as the next one, whatever its choice."""

        def __init__(self) -> None:
            super().__init__()
            kernel = nas.Choice([1, 3], name="kernel")
            self.layer = nas.nn.Conv2d(1, 1, kernel, padding=kernel // 2)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.one_hot(x, CLASSES).float().movedim(-1, 1)

    class Text(BatchStream):
        def __init__(self) -> None:
            pass

        def at(self, step: int) -> tuple[Tensor, Tensor]:
            return torch.tensor([[0, 1, 2, 0]]), torch.tensor([[0, 1, 2, 1]])

    mixture = BalancedMixture(2, scores="published")
    supernet = nas.Supernet(Says(), mixture)
    feedback = scores_of(supernet, mixture, Language(tuple("abc")), Text())
    feedback.after_step(Context(0, paths=[Path(supernet.space.smallest(), "random", 0)]))
    assert mixture.scores.min() == pytest.approx(0.75)


def temperatures(feedback: ValidationScores, epochs: int, steps: int = STEPS) -> list[float]:
    recipe = Recipe(epochs=epochs)
    contexts = [Context(0, recipe=recipe, recipe_epoch=epoch, steps_per_epoch=steps) for epoch in range(epochs)]
    return [feedback.temperature(context) for context in contexts]


def test_the_temperature_rises_linearly_and_the_table_is_balanced_as_epochs_begin() -> None:
    supernet, mixture = mixture_of(2)
    feedback = listener_of(supernet, scores_of)
    assert temperatures(feedback, 4) == [1, 34, 67, 100]
    assert temperatures(feedback, 1) == [1]
    before: list[float] = []
    for step in range(2 * STEPS):
        mixture.compare([mixture.row_of(supernet.space.smallest())], np.array([[-0.1, 0.1]]))
        epoch, position = divmod(step, STEPS)
        feedback.before_step(Context(step, position=position, recipe_epoch=epoch, recipe=Recipe(epochs=4)))
        before.append(mixture.probability(supernet.space.largest())[0])
    epochs = np.array(before).reshape(2, STEPS)
    assert np.all(epochs == epochs[:, :1]), "the divisors stay as they are within an epoch"
    assert epochs[1, 0] > epochs[0, 0] >= 0.5, "what one row leaves of a bank the others take"
    assert feedback.record() == {"temperature": 34.0, "untried_scores": pytest.approx(1 - 1 / 27)}


def test_published_scores_are_told_apart_once_they_are_steady_or_in_the_second_half() -> None:
    supernet, mixture = mixture_of(2, scores="published")
    feedback, told = listener_of(supernet, scores_of), 10 * mixture.scores.size
    assert temperatures(feedback, 9, steps=told // 2) == pytest.approx([1, 1, 1, 17.5, 34, 50.5, 67, 83.5, 100])
    assert temperatures(feedback, 9, steps=1)[:5] == [1] * 5
    assert temperatures(feedback, 9, steps=1)[8] == 100
    mixture.hottest = 5.0
    assert temperatures(feedback, 3, steps=10 * told) == [1, 1, 5]


class Killed(Exception):  # noqa: N818
    """Stands for a process that ends."""


def timeless(history: Sequence[Epoch]) -> list[Epoch]:
    return [{name: value for name, value in epoch.items() if name != "images_per_second"} for epoch in history]


@pytest.mark.parametrize("scores", RULES)
def test_a_killed_training_goes_on_to_the_same_end(scores: Scoring, tmp_path: File) -> None:
    straight, mixture = phase_of(3, scores)
    history = train_phases([straight], seed=7)
    file = tmp_path / "supernet.safetensors"

    def kill(epoch: Epoch) -> None:
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            train_phases([phase_of(3, scores)[0]], seed=7, checkpoint=file, on_epoch=kill)
    phase, resumed = phase_of(3, scores)
    assert timeless(train_phases([phase], seed=7, checkpoint=file)) == timeless(history)
    for name, tensor in straight.step.model.state_dict().items():
        assert torch.equal(phase.step.model.state_dict()[name], tensor), name
    loaded, again = phase_of(3, scores)
    train_phases([loaded], seed=7, checkpoint=file)
    assert np.array_equal(again.scores, mixture.scores) and mixture.untried < 1
    assert np.array_equal(again.assignment, resumed.assignment) and np.array_equal(again.assignment, mixture.assignment)


def test_untrained_banks_are_told_apart_from_trained_ones_after_an_epoch() -> None:
    phase, mixture = phase_of(3)
    history = train_phases([phase], seed=0)
    assert [sum(epoch["paths_by_bank"]) for epoch in history] == [STEPS] * 3
    assert history[-1]["untried_scores"] == mixture.untried < history[0]["untried_scores"] < 1
    assert [epoch["temperature"] for epoch in history] == [1.0, 50.5, 100.0]


def test_four_numbers_tell_after_the_training_whether_banks_came_to_differ() -> None:
    phase, mixture = phase_of(3, epochs=10)
    before, trained, late = phase.step.before_step, np.zeros(mixture.scores.shape), list[np.ndarray]()

    def watched(context: Context) -> None:
        if context.step == 36:
            late.append(mixture.assignment.copy())
        before(context)
        for path in context.paths:
            trained[mixture.row_of(path.architecture), path.bank] += 1

    phase.step.before_step = watched  # type: ignore[method-assign]
    history = train_phases([phase], seed=0)
    assert all("mixture" not in epoch for epoch in history[:-1])
    found, own = history[-1]["mixture"], mixture.assignment
    assert found["tellings"] == 10 * STEPS / 27
    assert found["own_share"] == pytest.approx(trained[np.arange(27), own].sum() / 40)
    assert found["changed_late"] == (late[0] != own).mean()
    assert -1 < found["own_ahead"] < 1


def test_own_banks_are_ahead_by_what_they_get_right_beyond_the_mean_of_the_others() -> None:
    supernet, mixture = mixture_of(3)
    mixture.compare(range(27), np.random.default_rng(0).random((27, 3)))
    compared = listener_of(supernet, Specialisation)
    compared.after_step(Context(0, recipe=Recipe(epochs=1)))
    stream, expected = BatchStream(split(seed=1), 8, (0, 2)), []
    x, y = (torch.cat(each) for each in zip(stream.at(0), stream.at(1), strict=True))
    for architecture in supernet.space:
        right = []
        for bank in range(3):
            network = supernet.extract(architecture, bank=bank)
            with batch_statistics(network):
                answers = torch.cat([network(part) for part in x.split(8)]).argmax(1)
            right.append(float((answers == y).float().mean()))
        own = mixture.bank_of(architecture)
        expected.append(right[own] - np.mean(np.delete(right, own)))
    assert compared.record()["mixture"]["own_ahead"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert np.ptp(expected) > 0
