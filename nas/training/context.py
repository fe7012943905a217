"""One step of a training, as everybody who takes part in it sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nas.space import Architecture
from nas.training.microbatches import WHOLE, Microbatches
from nas.training.ranks import Ranks
from nas.training.recipe import Recipe

__all__ = ["Context", "Path"]

_NOTHING, _DEFAULT = torch.empty(0), Recipe()


class Path(NamedTuple):
    """An architecture to train.

    Attributes:
        architecture: of the space.
        role: in the step: ``largest``, ``smallest``, ``random``, or another by which loss terms know it.
        bank: whose weights it trains; None for those that the sharing scheme says.
    """

    architecture: Architecture
    role: str
    bank: int | None = None


@dataclass
class Context:
    """Where a training is, and what the step has found so far.

    Attributes:
        step: number of the step over the whole training, from 0; what is drawn at random is a function of it.
        x: inputs of the batch ``[N, ...]``.
        y: targets of the batch ``[N, ...]``.
        phase: number of the phase, from 0.
        epoch: over the whole training, from 0.
        position: of the step in its epoch, from 0.
        steps_per_epoch: of the phase.
        recipe: of the phase.
        recipe_epoch: how many epochs of the recipe are done.
        optimizer: of the model; None where there is none yet.
        microbatches: how the batch is cut, and which processes share it.
        paths: that the step trains; empty before they are drawn, and for a plain network.
        losses: of each path, averaged over microbatches and processes; empty before they have run.
        gradient_norms: likewise of the gradient that each path adds; None where nobody asks for it, see
            :attr:`nas.training.Listener.wants_gradient_norms`.
    """

    step: int
    x: Tensor = _NOTHING
    y: Tensor = _NOTHING
    phase: int = 0
    epoch: int = 0
    position: int = 0
    steps_per_epoch: int = 1
    recipe: Recipe = _DEFAULT
    recipe_epoch: int = 0
    optimizer: torch.optim.Optimizer | None = None
    microbatches: Microbatches = WHOLE
    paths: Sequence[Path] = ()
    losses: Sequence[Tensor] = ()
    gradient_norms: Sequence[Tensor] | None = None

    @property
    def ranks(self) -> Ranks:
        """The processes that train together, and which of them this is."""
        return self.microbatches.ranks

    @property
    def recipe_step(self) -> int:
        """Number of the step among those of the recipe, from 0."""
        return self.recipe_epoch * self.steps_per_epoch + self.position

    @property
    def recipe_steps(self) -> int:
        """How many steps the recipe has."""
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def progress(self) -> float:
        """The share of the recipe that is done, from 0 to 1."""
        return min(1.0, self.recipe_step / self.recipe_steps)
