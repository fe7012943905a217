"""What a balanced mixture learns from training, and what training is without it."""

from collections.abc import Sequence
from pathlib import Path as File

import numpy as np
import pytest
import torch
from tiny import CLASSES, elastic, operations, split
from torch import Tensor, nn

import nas
from nas.nn.batch_norms import batch_statistics
from nas.sampling import Fair, InBanks, Sandwich, Uniform
from nas.sharing import BalancedMixture
from nas.tasks import Classification, Language
from nas.training import (
    BatchStream,
    Context,
    CrossEntropy,
    Epoch,
    Path,
    Phase,
    Recipe,
    SupernetStep,
    ValidationScores,
    train,
    train_phases,
)

TASK = Classification(["cat", "dog", "owl"])
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.05, weight_decay=0.01, warmup_epochs=0)
STEPS = 4
"""Of an epoch of the 32 training images."""


def mixture_of(models: int, model: nn.Module | None = None) -> tuple[nas.Supernet, BalancedMixture]:
    mixture = BalancedMixture(models)
    return nas.Supernet(model or operations().model, mixture), mixture


def scores_of(supernet: nas.Supernet, **options: object) -> ValidationScores:
    assert isinstance(supernet.sharing, BalancedMixture)
    stream = BatchStream(split(seed=1), 8, (0, 2))
    return ValidationScores(supernet, supernet.sharing, TASK, stream, **options)  # type: ignore[arg-type]


def phase_of(models: int) -> tuple[Phase, BalancedMixture]:
    supernet, mixture = mixture_of(models)
    paths = InBanks(Uniform(supernet.space, seed=1), mixture, seed=1)
    step = SupernetStep(supernet, paths, [CrossEntropy()])
    return Phase(step, split(), RECIPE, listeners=[scores_of(supernet)]), mixture


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
    for _ in range(10):
        mixture.update(sure, 0, 0.0)

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


def test_one_model_trains_bit_for_bit_as_one_path_does() -> None:
    plain = operations()
    history = train(SupernetStep(plain, Uniform(plain.space, seed=1), [CrossEntropy()]), split(), RECIPE, seed=3)
    phase, mixture = phase_of(1)
    mixed = train_phases([phase], seed=3)
    assert [epoch["loss"] for epoch in mixed] == [epoch["loss"] for epoch in history]
    assert mixture.untried < 1, "scores were told"
    state = phase.step.model.state_dict()
    for name, tensor in plain.state_dict().items():
        assert torch.equal(state[name], tensor), name


def test_scoring_moves_nothing_but_the_scores() -> None:
    supernet, _ = mixture_of(2)
    supernet.train()
    supernet.model.get_submodule("head").eval()
    feedback = scores_of(supernet)
    modes = [module.training for module in supernet.modules()]
    state = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    random = torch.get_rng_state()
    paths = [Path(supernet.space.sample(seed), "random", seed % 2) for seed in range(4)]
    for path in paths:
        supernet.activate(path.architecture, path.bank)
    feedback.before_step(Context(0))
    feedback.after_step(Context(0, paths=paths))
    assert (supernet.architecture, supernet.bank) == (paths[-1].architecture, paths[-1].bank)
    assert [module.training for module in supernet.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    changed = [name for name, tensor in supernet.state_dict().items() if not torch.equal(tensor, state[name])]
    assert changed == ["sharing._extra_state"]
    assert all(parameter.grad is None for parameter in supernet.parameters())


def test_the_score_is_the_accuracy_of_the_bank_on_the_validation_batch_of_the_step() -> None:
    supernet, mixture = mixture_of(2)
    supernet.train()
    architecture = supernet.space.largest()
    feedback = scores_of(supernet)
    expected = 1.0
    for step in range(6):
        feedback.after_step(Context(step, paths=[Path(architecture, "random", 1)]))
        x, y = BatchStream(split(seed=1), 8, (0, 2)).at(step)
        network = supernet.extract(architecture, bank=1)
        with batch_statistics(network):
            accuracy = float((network(x).argmax(1) == y).float().mean())
        expected = 0.9 * expected + 0.1 * accuracy
    row = mixture.row_of(architecture)
    np.testing.assert_allclose(mixture.scores[row], [1.0, expected], rtol=1e-6)
    assert expected < 1


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

    mixture = BalancedMixture(2)
    supernet = nas.Supernet(Says(), mixture)
    feedback = ValidationScores(supernet, mixture, Language(tuple("abc")), Text())
    feedback.after_step(Context(0, paths=[Path(supernet.space.smallest(), "random", 0)]))
    assert mixture.scores.min() == pytest.approx(0.9 + 0.1 * 0.75)


def test_the_temperature_rises_linearly_and_the_table_is_balanced_as_epochs_begin() -> None:
    supernet, mixture = mixture_of(2)
    feedback = scores_of(supernet)
    assert [feedback.temperature(epoch, 4) for epoch in range(4)] == [1, 34, 67, 100]
    assert feedback.temperature(0, 1) == 1
    assert scores_of(supernet, temperatures=(3.0, 5.0)).temperature(1, 2) == 5
    before: list[float] = []
    for step in range(2 * STEPS):
        mixture.update(supernet.space.smallest(), 0, 0.0)
        epoch, position = divmod(step, STEPS)
        feedback.before_step(Context(step, position=position, recipe_epoch=epoch, recipe=Recipe(epochs=4)))
        before.append(mixture.probability(supernet.space.largest())[0])
    epochs = np.array(before).reshape(2, STEPS)
    assert np.all(epochs == epochs[:, :1]), "the divisors stay as they are within an epoch"
    assert epochs[1, 0] > epochs[0, 0] >= 0.5, "what one row leaves of a bank the others take"
    assert feedback.record() == {"temperature": 34.0, "untried_scores": 1 - 1 / 54}


class Killed(Exception):  # noqa: N818
    """Stands for a process that ends."""


def timeless(history: Sequence[Epoch]) -> list[Epoch]:
    return [{name: value for name, value in epoch.items() if name != "images_per_second"} for epoch in history]


def test_a_killed_training_goes_on_to_the_same_end(tmp_path: File) -> None:
    straight, mixture = phase_of(3)
    history = train_phases([straight], seed=7)
    file = tmp_path / "supernet.safetensors"

    def kill(epoch: Epoch) -> None:
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            train_phases([phase_of(3)[0]], seed=7, checkpoint=file, on_epoch=kill)
    phase, resumed = phase_of(3)
    assert timeless(train_phases([phase], seed=7, checkpoint=file)) == timeless(history)
    for name, tensor in straight.step.model.state_dict().items():
        assert torch.equal(phase.step.model.state_dict()[name], tensor), name
    loaded, again = phase_of(3)
    train_phases([loaded], seed=7, checkpoint=file)
    assert np.array_equal(again.scores, mixture.scores) and mixture.untried < 1
    assert np.array_equal(again.assignment, resumed.assignment) and np.array_equal(again.assignment, mixture.assignment)


def test_untrained_banks_are_told_apart_from_trained_ones_after_an_epoch() -> None:
    phase, mixture = phase_of(3)
    history = train_phases([phase], seed=0)
    assert [sum(epoch["paths_by_bank"]) for epoch in history] == [STEPS] * 3
    assert history[-1]["untried_scores"] == mixture.untried < history[0]["untried_scores"] < 1
    assert [epoch["temperature"] for epoch in history] == [1.0, 50.5, 100.0]
