"""The parts that make up a published method."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.parts import check_options
from nas.sharing import Shared, Sharing
from nas.sharing.partition import Partition
from nas.training import Phase, Retrain

__all__ = ["Method"]


_PROPOSING = ("differentiable", "pruning")


@dataclass(frozen=True)
class Method:
    """A named set of parts.

    Attributes:
        name: what ``--method`` takes.
        family: "single-path", "sandwich", "nested", "differentiable", "mixture", "pruning" or "none".
        paper: authors, title, year.
        summary: one line.
        phases: a :class:`~nas.problem.Problem`, and the method's own options by name → phases of the supernet's
            training. If the step of the last one has :attr:`~nas.training.Step.proposals`, it arrived at these;
            otherwise a search selects one.
        recipe: fields of the training recipe in which the method differs from the default.
        learning: likewise of the learning of architecture parameters.
        sharing: makes the sharing scheme of the supernet from its options; all architectures share one set of weights
            by default.
        search_args: arguments of the space during the search, if the space has them.
        needs_budget: whether the method learns to keep within a cost.
        can_be_bounded: whether paths are drawn from :attr:`nas.problem.Problem.drawn_from`, and so only near a bound
            where the best network within it is wanted.
        share_of_time: that the supernet's training has of a time that is given, the last round the rest; None where
            its length decides.
        fewest_epochs: that a training has whose time is given; those of a short one are shorter.
        retrain: whether the chosen network is trained again by itself, from inherited or fresh weights, where no last
            round trains several.
        settings: other settings of a run in which the method differs from the default.
        trains: whether there are phases.
    """

    name: str
    family: str
    paper: str
    summary: str
    phases: Callable[..., Sequence[Phase]]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    learning: Mapping[str, Any] = field(default_factory=dict)
    sharing: Callable[..., Sharing] = Shared
    search_args: Mapping[str, Any] = field(default_factory=dict)
    needs_budget: bool = False
    can_be_bounded: bool = False
    fewest_epochs: int = 1
    share_of_time: float | None = None
    retrain: Retrain = "no"
    settings: Mapping[str, Any] = field(default_factory=dict)
    trains: bool = True

    @property
    def proposes(self) -> bool:
        """Whether its training arrives at architectures, which strategy "derived" proposes."""
        return self.family in _PROPOSING

    @property
    def trains_banks_apart(self) -> bool:
        """Whether the sharing scheme splits the space into parts that train independently, as those that learn gates
        do not."""
        return isinstance(self.sharing, type) and issubclass(self.sharing, Partition) and not self.proposes

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The method's own options, which ``phases`` takes beside the problem, as it takes them.

        Raises:
            UsageError: the method has no such option, or the option has a value of another type.
        """
        problem, *_ = inspect.signature(self.phases).parameters
        return check_options(self.phases, options, f"method '{self.name}'", [problem])

    def make_sharing(self, options: Mapping[str, Any], seed: int) -> Sharing:
        """A new sharing scheme, for one supernet.

        Args:
            options: of the scheme.
            seed: of the run, for schemes that need random numbers.

        Raises:
            UsageError: the scheme has no such option, or the option has a value of another type.
        """
        given = check_options(self.sharing, options, "sharing_args", ["seed"])
        if "seed" in inspect.signature(self.sharing).parameters:
            given = {"seed": seed, **given}
        return self.sharing(**given)
