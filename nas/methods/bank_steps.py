"""How long the banks of a scheme train, together or each."""

from typing import Literal

from nas.training import Recipe

__all__ = ["BankSteps", "for_banks"]

BankSteps = Literal["total", "per-bank"]
"""Whether all banks together take the steps of the recipe, or each of them as many."""


def for_banks(recipe: Recipe, steps: BankSteps, banks: int) -> Recipe:
    """The recipe of so many banks that train in turn."""
    longer = {"epochs": recipe.epochs * banks, "warmup_epochs": recipe.warmup_epochs * banks}
    return recipe.model_copy(update=longer) if steps == "per-bank" else recipe
