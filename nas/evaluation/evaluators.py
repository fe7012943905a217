"""What can evaluate architectures in a run: shared weights, stand-alone training, a table, or a user's own."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nas.errors import UsageError
from nas.evaluation.each_alone import EachAlone
from nas.parts import Slot, check_options
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from nas.data import Split
    from nas.problem import Problem
    from nas.space import Architecture
    from nas.tasks import Tally

__all__ = [
    "EVALUATORS", "Evaluator", "EvaluatorTraits", "MakesNetworks", "TalliesExamples", "evaluator_options",
    "made_network", "make_evaluator", "tallied_examples", "traits_of",
]  # fmt: skip

_DIRECTIONS = {"maximise": True, "minimise": False}


class Evaluator(Protocol):
    """Tells how good architectures are; made as ``Class(problem, **options)``.

    A class may have the attributes ``metrics`` (what it gives → "maximise" or "minimise", the one that is searched for
    first; without it, the metric of the data), ``needs_supernet`` (whether the method trains a supernet before; an
    instance keeps it as ``supernet``, whose weights then are the trained ones), ``batch`` (how many architectures it
    gets at most at a time), ``name`` and ``fidelity`` (what its results in the ledger belong to), ``choices`` (names
    of choices outside the model that it reads of architectures), and the methods of :class:`MakesNetworks` and
    :class:`TalliesExamples`.
    """

    def __call__(self, architectures: "Sequence[Architecture]", /) -> "pd.DataFrame":
        """A row for each architecture, in order, with a numeric column for each metric."""


@runtime_checkable
class MakesNetworks(Protocol):
    """An evaluator whose networks are delivered as they were evaluated."""

    def network(self, architecture: "Architecture", /) -> "nn.Module":
        """The plain network of an architecture as it is evaluated."""


@runtime_checkable
class TalliesExamples(Protocol):
    """An evaluator that knows what a network makes of each example, so that networks can be compared in pairs."""

    def tallies(self, architectures: "Sequence[Architecture]", split: "Split", /) -> "list[Tally]":
        """What each architecture makes of every example of a split."""


def _fits(part: Any) -> bool:
    try:
        takes_something = callable(part) and bool(inspect.signature(part).parameters)
    except ValueError:  # of something built in, which tells nobody
        return False
    return takes_something and (not inspect.isclass(part) or any("__call__" in vars(each) for each in part.__mro__))


EVALUATORS: Slot[Callable[..., Any]] = Slot(
    "evaluator",
    "nas.evaluators",
    {
        "shared-weights": "nas.evaluation.inherited_weights:InheritedWeights",
        "standalone": "nas.evaluation.trained_alone:TrainedAlone",
        "grown": "nas.evaluation.grown_weights:GrownWeights",
        "table": "nas.evaluation.known_results:KnownResults",
        "zero-cost": "nas.evaluation.zero_cost.zero_cost_evaluator:ZeroCost",
    },
    _fits,
    "a function of an architecture, or a class made of a nas.problem.Problem whose instances evaluate architectures",
    {"nni": "nas.evaluation.nni_trial:trial_of"},
)


@dataclass(frozen=True)
class EvaluatorTraits:
    """What is known of an evaluator before it is made.

    Attributes:
        needs_supernet: whether a supernet is trained first.
        makes_networks: whether the networks that it evaluates can be delivered.
        tallies_examples: whether it knows what a network makes of each example.
        metrics: the metrics that it says it gives → whether more is better; None if it says nothing.
    """

    needs_supernet: bool
    makes_networks: bool
    tallies_examples: bool
    metrics: Mapping[str, bool] | None


def traits_of(name: str) -> EvaluatorTraits:
    """What the named evaluator says of itself.

    Raises:
        UsageError: there is no such evaluator, or its ``metrics`` are no directions.
    """
    part = EVALUATORS[name]
    is_class, declared = inspect.isclass(part), getattr(part, "metrics", None)
    if declared is not None and not (
        isinstance(declared, Mapping) and declared and all(each in list(_DIRECTIONS) for each in declared.values())
    ):
        raise UsageError(
            f"evaluator '{name}' has metrics {declared!r}; expected a mapping such as {{'accuracy': 'maximise'}}."
        )
    return EvaluatorTraits(
        needs_supernet=bool(getattr(part, "needs_supernet", False)),
        makes_networks=is_class and issubclass(part, MakesNetworks),  # type: ignore[arg-type]
        tallies_examples=is_class and issubclass(part, TalliesExamples),  # type: ignore[arg-type]
        metrics=None if declared is None else {str(key): _DIRECTIONS[each] for key, each in declared.items()},
    )


def make_evaluator(
    name: str, problem: "Problem", options: Mapping[str, Any], settings: Mapping[str, Any], metric: str
) -> Evaluator:
    """The named evaluator of a problem.

    Args:
        options: its own arguments.
        settings: what a run knows besides, given to an evaluator that has an argument of such a name.
        metric: what the number of a function is called that gives one alone.

    Raises:
        UsageError: there is no such evaluator, it has no such option, or lacks one that it needs.
    """
    part = make = EVALUATORS[name]
    others = list(inspect.signature(part).parameters)[1:]
    own = evaluator_options(name, options, settings)
    taken = {key: value for key, value in {"problem": problem, **settings}.items() if key in others}
    if not inspect.isclass(part):
        return EachAlone(name, partial(part, **taken, **own), metric, problem.supernet)
    made = _made(name, partial(make, problem, **taken, **own))
    if getattr(part, "needs_supernet", False) and getattr(made, "supernet", None) is not problem.supernet:
        raise UsageError(
            f"evaluator '{name}' needs a supernet, but does not keep it; set self.supernet = problem.supernet."
        )
    return made


def made_network(name: str, evaluator: MakesNetworks, architecture: "Architecture") -> "nn.Module":
    """The network of an architecture as the named evaluator evaluates it; UsageError if it gives something else."""
    from torch import nn

    network: Any = evaluator.network(architecture)
    if not isinstance(network, nn.Module):
        raise UsageError(
            f"evaluator '{name}' gave a {type(network).__name__} as the network of architecture {architecture.id}; "
            "its network must return a torch.nn.Module."
        )
    return network


def tallied_examples(
    name: str, evaluator: TalliesExamples, architectures: "Sequence[Architecture]", split: "Split"
) -> "list[Tally]":
    """What an evaluator makes of every example of a split; UsageError if that is no tally for each architecture."""
    from nas.tasks import Tally

    tallies: Any = evaluator.tallies(architectures, split)
    found = list(tallies) if isinstance(tallies, Sequence) else []
    if len(found) != len(architectures) or not all(isinstance(each, Tally) for each in found):
        raise UsageError(
            f"evaluator '{name}' tallied no examples of {counted(len(architectures), 'architecture')}; its "
            "tallies must return a nas.tasks.Tally for each, in order."
        )
    return found


def _made(name: str, make: Callable[[], Evaluator]) -> Evaluator:
    """What a class makes; a mistake in it is told in a sentence."""
    try:
        made = make()
    except UsageError:
        raise
    except Exception as error:  # a user's code can fail in any way
        raise UsageError(f"evaluator '{name}' cannot be made: {type(error).__name__}: {error}.") from error
    batch = getattr(made, "batch", 1)
    if not isinstance(batch, int) or batch < 1:
        raise UsageError(f"evaluator '{name}' has batch {batch!r}; expected how many architectures it gets at most.")
    return made


def evaluator_options(name: str, options: Mapping[str, Any], settings: Collection[str]) -> dict[str, Any]:
    """The options of the named evaluator, checked.

    Args:
        settings: names of arguments that a run fills in.

    Raises:
        UsageError: as :func:`make_evaluator`.
    """
    part = EVALUATORS[name]
    parameters = inspect.signature(part).parameters
    filled = {*list(parameters)[:1], "problem", *settings}
    own = check_options(part, options, f"evaluator '{name}'", filled)
    for each in parameters.values():
        by_name = each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY) and each.default is each.empty
        if by_name and each.name not in {*filled, *own}:
            raise UsageError(f"evaluator '{name}' needs an option '{each.name}'; give it in evaluator_args.")
    return own
