"""An evaluator as somebody writes it that reads a choice of the recipe: the learning rate of each training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from nas import Architecture, Problem, Standalone

if TYPE_CHECKING:
    import pandas as pd


class Tuned:
    """Each candidate trained by itself at its learning rate; it is delivered as it was evaluated."""

    choices = ("learning_rate",)
    batch = 1

    def __init__(self, problem: Problem, epochs: int = 1) -> None:
        self.problem, self.epochs = problem, epochs

    def __call__(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        (architecture,) = architectures
        return self._trainer(architecture)(architectures)

    def network(self, architecture: Architecture) -> nn.Module:
        return self._trainer(architecture).train(architecture).eval()

    def _trainer(self, architecture: Architecture) -> Standalone:
        changes = {"learning_rate": architecture["learning_rate"], "epochs": self.epochs}
        recipe = self.problem.retraining.model_copy(update=changes)
        return Standalone(self.problem.delivered, self.problem.data, recipe, self.problem.seed)


def trainings(candidate: object, each: float = 1.0) -> float:
    """A cost that reads it too: small learning rates need more trainings."""
    return each / candidate.architecture["learning_rate"]  # type: ignore[attr-defined, no-any-return]


trainings.choices = ("learning_rate",)  # type: ignore[attr-defined]
