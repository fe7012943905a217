"""What a published method consists of here."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nas.data import Augment, Split
from nas.parts import check_options
from nas.problem import Budget
from nas.space import Architecture, Space
from nas.supernet import Supernet
from nas.supernet.sharing import Shared, Sharing
from nas.supernet.sharing.partition import Partition
from nas.tasks import Task
from nas.training import Learning, Recipe, RelaxedStep, Step

__all__ = ["Budget", "Choose", "Method", "Retrain", "Setting", "Trained"]

Retrain = Literal["no", "inherited", "fresh"]


@dataclass(frozen=True)
class Setting:
    """What a method trains, and with what.

    Attributes:
        supernet: on its device.
        weights: the data that the weights learn from.
        architecture: the data that architecture parameters learn from; None if these are the same.
        validation: the data that judge; a sharing scheme may learn from them which weights suit an architecture.
        augment: what training does to images.
        recipe: of the weights.
        learning: of the architecture parameters.
        seed: of the run.
        budget: of the run, for methods that ask for it.
        task: of the data.
    """

    supernet: Supernet
    weights: Split
    architecture: Split | None
    validation: Split
    augment: Augment | None
    recipe: Recipe
    learning: Learning
    seed: int
    budget: Budget | None = None
    task: Task = field(kw_only=True)

    @property
    def steps_per_epoch(self) -> int:
        return self.weights.steps(self.recipe.batch_size)


@dataclass(frozen=True)
class Trained:
    """A relaxed supernet after training, for methods that ask it which architecture it stands for.

    Attributes:
        step: that trained it.
        space: of the supernet.
        accuracy: of the supernet on the validation data, under the gates that it follows.
        tune: trains weights and architecture parameters some more; told the number of the round.
        rounds: how many rounds were tuned before an interruption; the supernet is as it was then.
        decided: what was decided before it: choices and the positions of the options that they keep.
    """

    step: RelaxedStep
    space: Space
    accuracy: Callable[[], float]
    tune: Callable[[int], None]
    rounds: int = 0
    decided: Sequence[tuple[str, tuple[int, ...]]] = ()


Choose = Callable[[Trained], Architecture]


@dataclass(frozen=True)
class Method:
    """A named bundle of parts.

    Attributes:
        name: what ``--method`` takes.
        family: "single-path", "sandwich", "differentiable" or "mixture".
        paper: authors, title, year.
        summary: one line.
        step: what each step of the supernet's training does; a :class:`~nas.training.RelaxedStep` derives architectures
            from what it learnt, else a search picks one.
        choose: how the final architecture is derived, where that needs more than learnt probabilities.
        recipe: fields of the training recipe in which the method departs from the default.
        learning: the same of the learning of architecture parameters.
        sharing: makes the sharing scheme of the supernet from its options; one set of weights for all by default.
        search_args: arguments of the space while it is searched, where the space takes them.
        needs_budget: whether the method learns to keep a cost.
        retrain: whether the chosen network is trained again by itself, from inherited or fresh weights.
        settings: other settings of a run in which the method departs from the default.
    """

    name: str
    family: str
    paper: str
    summary: str
    step: Callable[[Setting], Step]
    choose: Choose | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    learning: Mapping[str, Any] = field(default_factory=dict)
    sharing: Callable[..., Sharing] = Shared
    search_args: Mapping[str, Any] = field(default_factory=dict)
    needs_budget: bool = False
    retrain: Retrain = "no"
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trains_banks_apart(self) -> bool:
        """Whether the sharing scheme cuts the space in parts that no longer depend on each other."""
        return isinstance(self.sharing, type) and issubclass(self.sharing, Partition)

    def make_sharing(self, options: Mapping[str, Any], seed: int) -> Sharing:
        """The sharing scheme of a supernet; each supernet needs one of its own.

        Args:
            options: of the scheme.
            seed: of the run, for schemes that draw anything.

        Raises:
            UsageError: the scheme has no such option, or one of another type.
        """
        given = check_options(self.sharing, options, "sharing_args", ["seed"])
        if "seed" in inspect.signature(self.sharing).parameters:
            given = {"seed": seed, **given}
        return self.sharing(**given)
