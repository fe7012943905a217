"""Annealing: plain cosine, cosine power, a final rate above zero."""

import math
from itertools import pairwise

import pytest
from pydantic import ValidationError

from nas.data import Augment
from nas.training import Recipe

STEPS = 100


def rates(power: float, warmup: float = 0.0) -> list[float]:
    recipe = Recipe(epochs=10, learning_rate=0.1, final_learning_rate=1e-4, cosine_power=power, warmup_epochs=warmup)
    return [recipe.learning_rate_at(step, steps_per_epoch=10) for step in range(STEPS + 1)]


@pytest.mark.parametrize("power", [1, 1.5, 2, 10, 1e6])
def test_every_power_falls_from_the_peak_to_the_final_rate(power: float) -> None:
    found = rates(power)
    assert found[0] == 0.1
    assert found[-1] == pytest.approx(1e-4, rel=1e-9)
    assert all(a > b for a, b in pairwise(found))


def test_larger_powers_are_lower_in_between() -> None:
    one, two, ten = rates(1), rates(2), rates(10)
    assert all(a < b < c for a, b, c in zip(ten[1:-1], two[1:-1], one[1:-1], strict=True))


@pytest.mark.parametrize(("power", "middle"), [(10, 0.0241), (2, 0.0415), (1, 0.0501)])
def test_the_mid_point_is_that_of_the_paper(power: float, middle: float) -> None:
    assert rates(power)[STEPS // 2] == pytest.approx(middle, abs=5.1e-5)


@pytest.mark.parametrize("power", [2, 10])
def test_it_is_the_published_formula_but_for_its_first_step(power: float) -> None:
    """Published: ``power^(c_t + 1)`` for t = 1 .. T, scaled to the range between the two rates."""
    published = [power ** (0.5 * (1 + math.cos(math.pi * t / STEPS)) + 1) for t in range(STEPS + 1)]
    low, high = published[-1], published[0]
    expected = [1e-4 + (0.1 - 1e-4) * (q - low) / (high - low) for q in published]
    assert rates(power) == pytest.approx(expected, rel=1e-9)


def test_powers_near_one_are_the_cosine() -> None:
    cosine = [1e-4 + (0.1 - 1e-4) * 0.5 * (1 + math.cos(math.pi * step / STEPS)) for step in range(STEPS + 1)]
    assert rates(1) == pytest.approx(cosine, rel=1e-12)
    assert rates(1 + 1e-9) == pytest.approx(cosine, rel=1e-8)


def test_the_warm_up_comes_before_whatever_the_power() -> None:
    found = rates(10, warmup=2)
    assert found[:20] == pytest.approx([0.1 * (step + 1) / 21 for step in range(20)])
    assert found[20] == 0.1 and found[-1] == pytest.approx(1e-4, rel=1e-9)


def test_a_rate_that_rises_in_the_end_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"final_learning_rate 0\.2 is above learning_rate 0\.1"):
        Recipe(final_learning_rate=0.2)
    with pytest.raises(ValidationError, match="cosine_power"):
        Recipe(cosine_power=0.5)


def test_the_cutout_of_the_recipe_replaces_that_of_the_data() -> None:
    default = Augment(crop=4, flip=True, cutout=8)
    assert Recipe().augmentation(default) == default
    assert Recipe(cutout=16).augmentation(default) == Augment(crop=4, flip=True, cutout=16)
    assert Recipe(cutout=0).augmentation(default) == Augment(crop=4, flip=True)
    assert Recipe(flip=False).augmentation(default) == Augment(crop=4, flip=False, cutout=8)
    assert Recipe(flip=True).augmentation(Augment()) == Augment(flip=True)


def test_a_lowest_rate_is_kept_to_the_end() -> None:
    recipe = Recipe(epochs=10, learning_rate=0.1, warmup_epochs=1)
    plain = [recipe.learning_rate_at(step, steps_per_epoch=10) for step in range(STEPS + 1)]
    floored = recipe.model_copy(update={"lowest_rate": 0.05})
    found = [floored.learning_rate_at(step, steps_per_epoch=10) for step in range(STEPS + 1)]
    assert found[:10] == plain[:10], "the warm-up is what it was"
    assert found[10:] == pytest.approx([max(rate, 0.005) for rate in plain[10:]]) and len(set(found[-5:])) == 1
