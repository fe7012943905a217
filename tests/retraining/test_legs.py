"""How the last round divides a training."""

import math

import pytest

from nas.retraining.legs import Leg, rung_ends, rung_share
from nas.training import Recipe


@pytest.mark.parametrize("networks", [1, 2, 3, 4, 5, 8])
def test_what_all_networks_train_is_counted(networks: int) -> None:
    leg, total = rung_share(networks)
    alive, done, counted = networks, 0, 0.0
    for end in rung_ends(networks):
        counted += alive * (end - done) * leg
        alive, done = math.ceil(alive / 2), end
    assert alive == 1
    rest = 1 - leg * done
    assert math.isclose(total, counted + rest)
    assert networks == 1 or math.isclose(leg * done, 0.25)


@pytest.mark.parametrize(("examples", "available"), [(10_000, 3000), (500, 3000), (1, 64), (3000, 3000)])
def test_a_leg_has_the_examples_asked_for(examples: int, available: int) -> None:
    leg = Leg.of(examples, available)
    assert leg.epoch_examples <= available
    assert abs(leg.epochs * leg.epoch_examples - examples) <= leg.epochs


@pytest.mark.parametrize(("examples", "epochs"), [(500, 6), (7000, 6), (30_000, 10)])
def test_a_leg_has_the_epochs_that_its_phases_need(examples: int, epochs: int) -> None:
    leg = Leg.of(examples, 3000, fewest=6)
    assert leg.epochs == epochs
    assert abs(leg.epochs * leg.epoch_examples - examples) <= leg.epochs


def test_a_recipe_has_the_length_of_the_leg() -> None:
    recipe = Leg(3, 128).recipe(Recipe(epochs=60, warmup_epochs=5), 0.05, 0.01)
    assert (recipe.epochs, recipe.epoch_examples, recipe.warmup_epochs) == (3, 128, 0.0)
    assert recipe.learning_rate_at(0, 2) == pytest.approx(0.05)
    assert recipe.learning_rate_at(6, 2) == pytest.approx(0.01)
