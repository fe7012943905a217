"""The recipes that `nas retrain` tries."""

from dataclasses import replace
from typing import Any

from nas.data import Augment, load
from nas.retraining.plans import Plan, draw_plans
from nas.training import Recipe

ARCHITECTURES = [{"layer": number} for number in range(3)]
RECIPE = Recipe(epochs=8, learning_rate=0.1, weight_decay=3e-4, final_learning_rate=0.05)


def plans(count: int = 60, seed: int = 0, **changes: Any) -> list[Plan]:
    data = load("digits")
    given: dict[str, Any] = {"recipe": RECIPE, "data": data, "can_inherit": True, **changes}
    return draw_plans(ARCHITECTURES, count=count, seed=seed, **given)


def test_plans_are_a_function_of_the_seed_alone() -> None:
    assert plans() == plans() != plans(seed=1)
    assert plans(60)[:10] == plans(10)


def test_the_first_plan_is_the_recipe_of_the_run_and_the_others_lie_around_it() -> None:
    first, *others = plans()
    assert first == Plan(architecture=ARCHITECTURES[0], start="inherited", recipe=RECIPE)
    for plan in others:
        recipe = plan.recipe
        assert 0.025 <= recipe.learning_rate <= 0.4 and 7.5e-5 <= recipe.weight_decay <= 1.2e-3
        assert recipe.final_learning_rate <= recipe.learning_rate and recipe.warmup_epochs <= recipe.epochs / 4
        assert (recipe.cutout == 4) == (plan.augmentation == "cutout")
        assert plan.augment == (Augment() if plan.augmentation == "none" else None)
    for seen, wanted in (
        ({plan.architecture["layer"] for plan in others}, {0, 1, 2}),
        ({plan.start for plan in others}, {"inherited", "fresh"}),
        ({plan.recipe.epochs for plan in others}, {2, 4, 8}),
        ({plan.augmentation for plan in others}, {"default", "cutout", "none"}),
        ({plan.distillation for plan in others}, {0.0, 0.5, 0.9}),
    ):
        assert seen == wanted


def test_networks_that_cannot_inherit_begin_with_fresh_weights() -> None:
    assert {plan.start for plan in plans(can_inherit=False)} == {"fresh"}


def test_images_that_have_cutout_get_no_second_one() -> None:
    data = load("digits")
    own = replace(data, augment=replace(data.augment, cutout=2))
    assert {plan.augmentation for plan in plans(data=own)} == {"default", "none"}
