"""Which trainings ``nas retrain`` tries: architecture, first weights, recipe, teacher."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from nas.data import Augment, Data
from nas.streams import Stream, rng
from nas.training import Recipe

__all__ = ["Plan", "draw_plans"]

Augmentation = Literal["default", "cutout", "none"]

_AROUND = 4.0
"""Learning rate and weight decay lie between a quarter and four times those of the run."""
_DECAY = 1e-4
"""What weight decay is drawn around where the run has none."""
_BUDGETS = (0.25, 0.5, 1.0)
_WARMUP = 0.25
_TEACHER = (0.0, 0.5, 0.9)


class Plan(BaseModel):
    """One training to try.

    Attributes:
        architecture: of the network.
        start: whether it begins with the weights of the supernet or fresh ones.
        recipe: of the training.
        augmentation: of the data: as they say, with the cutout of the recipe, or none.
        distillation: share of the loss that the supernet's largest network teaches; the labels teach the rest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: dict[str, Any]
    start: Literal["inherited", "fresh"]
    recipe: Recipe
    augmentation: Augmentation = "default"
    distillation: float = 0.0

    @property
    def augment(self) -> Augment | None:
        """What replaces the augmentation of the data; None if nothing does."""
        return Augment() if self.augmentation == "none" else None


def draw_plans(
    architectures: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    data: Data,
    *,
    count: int,
    seed: int,
    can_inherit: bool,
    can_distil: bool = True,
) -> list[Plan]:
    """A function of its arguments, so that the plans are the same wherever and however often they are asked for.

    The first is the recipe of the run on the first architecture; each of the others is a random draw of its own, so the
    first ten of twenty are the ten of ten.

    Args:
        recipe: around which learning rate and weight decay are drawn, log-uniformly; its epochs are the most.
        can_inherit: whether the supernet's weights fit the networks.
        can_distil: whether there is a supernet whose largest network was trained, and so can teach.
    """
    first = Plan(
        architecture=dict(architectures[0]), start="inherited" if can_inherit else "fresh", recipe=_sound(recipe)
    )
    drawn = (
        _draw(rng(seed, Stream.RETRAINING_PLANS, number), architectures, recipe, data, can_inherit, can_distil)
        for number in range(1, count)
    )
    return [first, *drawn]


def _draw(
    draws: np.random.Generator,
    architectures: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    data: Data,
    can_inherit: bool,
    can_distil: bool,
) -> Plan:
    """Every number is drawn whether it is used or not, so that one choice does not move the others."""
    architecture = architectures[int(draws.integers(len(architectures)))]
    inherited = draws.random() < 0.5
    rate, decay = (
        base * _AROUND ** draws.uniform(-1, 1) for base in (recipe.learning_rate, recipe.weight_decay or _DECAY)
    )
    budget = _BUDGETS[draws.integers(len(_BUDGETS))]
    kinds = _augmentations(recipe, data)
    augmentation = kinds[draws.integers(len(kinds))]
    changes = {
        "learning_rate": rate,
        "weight_decay": decay,
        "epochs": max(1, round(budget * recipe.epochs)),
        "cutout": {"default": recipe.cutout, "cutout": data.input_shape[-1] // 2, "none": None}[augmentation],
    }
    return Plan(
        architecture=dict(architecture),
        start="inherited" if inherited and can_inherit else "fresh",
        recipe=_sound(recipe.model_copy(update=changes)),
        augmentation=augmentation,
        distillation=_TEACHER[draws.integers(len(_TEACHER))] * can_distil,
    )


def _augmentations(recipe: Recipe, data: Data) -> tuple[Augmentation, ...]:
    """What may be done to the data: nothing to text, no second cutout to images that have one."""
    if len(data.input_shape) == 1:
        return ("default",)
    has_cutout = data.augment.cutout if recipe.cutout is None else recipe.cutout
    return ("default", "none") if has_cutout else ("default", "cutout", "none")


def _sound(recipe: Recipe) -> Recipe:
    """The recipe with a warm-up of a quarter at most, and a final rate not above the first."""
    return recipe.model_copy(
        update={
            "warmup_epochs": min(recipe.warmup_epochs, _WARMUP * recipe.epochs),
            "final_learning_rate": min(recipe.final_learning_rate, recipe.learning_rate),
        }
    )
