"""What a run is about: all that a method, an evaluator or a cost may know of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas.costs import StaticCosts
from nas.data import Augment, Data, Split
from nas.space import Architecture, ArchitectureSet, Notation, Samplable, Space
from nas.streams import Stream
from nas.supernet import Supernet
from nas.tasks import Task
from nas.training import Distillation, Learning, Listener, LossTerm, Phase, Recipe, SeveralTerms, Step

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Budget", "ExpectedBudget", "Problem"]


@dataclass(frozen=True)
class Budget:
    """The cost that a method may learn to keep.

    Attributes:
        costs: architectures → the cost of each.
        bound: what the cost should not exceed, in the same unit.
        largest: the cost of the largest architecture.
    """

    costs: Callable[[Sequence[Architecture]], list[float]]
    bound: float
    largest: float


@dataclass(frozen=True)
class ExpectedBudget(Budget):
    """One whose cost is a sum over blocks, so that mixtures have it too.

    Attributes:
        expected: probabilities ``[candidates]`` by choice → the expected cost, differentiable.
    """

    expected: Callable[[Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True, eq=False)
class Problem:
    """Networks to find, data to find them for, and how to train; built once, and the same in every process.

    Attributes:
        supernet: that is trained and evaluated, on its device.
        data: the training split trains, the validation split evaluates candidates; the test split is not read.
        seed: of every random number of the run.
        recipe: by which the supernet trains.
        learning: of architecture parameters.
        retraining: recipe of a network that is trained by itself.
        final: the supernet whose networks are delivered and whose costs count, where the method searches another model
            of the same space.
        budget: of the run, for methods that ask for it.
        feasible: the only architectures that are worth training, where the run seeks the best within a bound.
        notation: how published tables of the space write architectures, where that is known.
        folder: of the run, for what an evaluator has made and needs again; None where nothing is kept.
        pretrained: the network whose trained weights the supernet began with, in evaluation mode; None where these were
            fresh.
        distillation: share of the loss that it teaches.

    >>> import nas
    >>> from search_spaces.chain import chain
    >>> problem = Problem(nas.Supernet(chain((1, 8, 8), 10)), nas.data.load("digits"))
    >>> sorted(problem.costs(problem.space.smallest()))
    ['flops', 'params', 'peak_memory_bytes', 'weight_bytes', 'weight_bytes_int8']
    """

    supernet: Supernet
    data: Data
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    learning: Learning = field(default_factory=Learning)
    retraining: Recipe = field(default_factory=Recipe)
    final: Supernet | None = None
    budget: Budget | None = None
    notation: Notation | None = None
    folder: Path | None = None
    feasible: ArchitectureSet | None = None
    pretrained: nn.Module | None = None
    distillation: float = 0.0

    @property
    def delivered(self) -> Supernet:
        """Whose networks are delivered and whose costs count."""
        return self.final or self.supernet

    @property
    def space(self) -> Space:
        """The architectures that there are."""
        return self.delivered.space

    @property
    def drawn_from(self) -> Samplable:
        """Where path samplers draw: the architectures worth training, or all."""
        return self.feasible or self.supernet.space

    @property
    def task(self) -> Task:
        """What the networks must do with the data."""
        return self.data.task

    @property
    def device(self) -> torch.device:
        """Where supernet and data are."""
        return self.data.train.device

    @property
    def augment(self) -> Augment:
        """What training does to examples."""
        return self.recipe.augmentation(self.data.augment)

    def loss(self, roles: Collection[str] | None = None) -> LossTerm:
        """What passes of these roles, None for all, learn from the targets, and from a pretrained network."""
        targets = self.task.loss(self.recipe.label_smoothing, roles, 1 - self.distillation)
        if self.pretrained is None or not self.distillation:
            return targets
        taught = Distillation(self.pretrained, self.task, share=self.distillation, roles=roles)
        return SeveralTerms([targets, taught])

    def phase(self, step: Step, listeners: Sequence[Listener] = ()) -> Phase:
        """A training on all training examples, as the recipe says."""
        return Phase(step, self.data.train, self.recipe, self.augment, listeners)

    @cached_property
    def costs(self) -> StaticCosts:
        """The exact costs of the networks that are delivered."""
        return StaticCosts(self.delivered, self.data.input_shape, self.data.input_dtype)

    def cost_table(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """The same, a row for each architecture."""
        return self.costs.table(architectures)

    @cached_property
    def bilevel(self) -> tuple[Split, Split | None]:
        """The training examples that weights learn from, and those that architecture parameters do.

        The second is None where both learn from the same, on one level.
        """
        share = self.learning.share
        if share is None:
            return self.data.train, None
        return self.data.train.fraction(share, (self.seed, Stream.ARCHITECTURE_SPLIT))
