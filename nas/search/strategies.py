"""The strategies by name."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.parts import Slot, check_options
from nas.search.strategy import Strategy
from nas.search.whole_trainings import WholeTrainings
from nas.space import EPOCHS, Fidelity

if TYPE_CHECKING:
    from nas.space import Space

__all__ = ["STRATEGIES", "check_fidelity", "make_strategy", "needs_fidelity", "needs_probabilities", "strategy_options"]

STRATEGIES: Slot[Callable[..., Strategy]] = Slot(
    "strategy",
    "nas.strategies",
    {
        "random": "nas.search.random_search:RandomSearch",
        "exhaustive": "nas.search.exhaustive_search:ExhaustiveSearch",
        "evolution": "nas.search.evolution:Evolution",
        "early-exit": "nas.search.early_exit:EarlyExit",
        "local": "nas.search.local_search:LocalSearch",
        "nsga2": "nas.search.optuna_samplers:nsga2",
        "tpe": "nas.search.optuna_samplers:tpe",
        "reinforce": "nas.search.policy_gradient:Reinforce",
        "mcts": "nas.search.tree_search:TreeSearch",
        "ridge": "nas.search.guided.surrogate_search:ridge",
        "forest": "nas.search.guided.surrogate_search:forest",
        "bananas": "nas.search.guided.thompson_ensemble:bananas",
        "brp": "nas.search.guided.binary_relation:brp",
        "hyperband": "nas.search.hyperband:Hyperband",
        "asha": "nas.search.asha:Asha",
        "milp": "nas.search.guided.additive_search:AdditiveSearch",
        "guided": "nas.search.guided.surrogate_search:guided",
        "derived": "nas.search.learnt_distribution:LearntDistribution",
    },
    callable,
    "a class or function that takes a space and a seed",
    {"nni": "nas.search.nni_tuner:tuner_named"},
)

_LEARNT = ("proposals", "probabilities", "options", "banned")
"""Arguments that only a run of a differentiable method can give; see :mod:`nas.search.learnt_distribution`."""
_FIDELITY = "fidelity"


def needs_probabilities(name: str) -> bool:
    """Whether a strategy samples the probabilities that a differentiable method has learnt.

    Raises:
        UsageError: there is no such strategy.
    """
    return "probabilities" in inspect.signature(STRATEGIES[name]).parameters


def needs_fidelity(name: str) -> bool:
    """Whether a strategy decides how long each architecture is trained; see :class:`nas.space.Fidelity`.

    Raises:
        UsageError: there is no such strategy.
    """
    return _FIDELITY in inspect.signature(STRATEGIES[name]).parameters


def check_fidelity(name: str, fidelity: str | None) -> None:
    """Refuses a strategy that decides how long architectures are trained where that is no choice.

    Raises:
        UsageError: it is none, or there is no such strategy.
    """
    if fidelity is None and needs_fidelity(name):
        raise UsageError(
            f"strategy '{name}' needs trainings of several lengths; give their epochs, such as --set "
            f"extra.{EPOCHS}=[1,3,9,27], to an evaluator that follows them."
        )


def strategy_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a strategy, checked.

    Raises:
        UsageError: there is no such strategy or option, or the option has a value of another type.
    """
    learnt = _LEARNT if needs_probabilities(name) else ()
    return check_options(STRATEGIES[name], options, f"strategy '{name}'", ["space", "seed", _FIDELITY, *learnt])


def make_strategy(
    name: str,
    space: "Space",
    seed: int = 0,
    *,
    learnt: Mapping[str, Any] | None = None,
    fidelity: str | None = None,
    **options: Any,
) -> Strategy:
    """A new strategy, by name.

    Args:
        name: of a shipped or an installed strategy, or ``module:object``.
        fidelity: the choice of how long architectures are trained, if there is one. Strategies that do not decide it
            have all of them trained for the most epochs.
        learnt: what a differentiable method has learnt, for strategies that :func:`need it <needs_probabilities>`.
        options: of the strategy.

    Raises:
        UsageError: there is no such strategy or option, the option has a value of another type, or the strategy needs
            what a differentiable method has learnt, or trainings of several lengths, and there is none.
    """
    arguments = strategy_options(name, options)
    make = STRATEGIES[name]
    check_fidelity(name, fidelity)
    if needs_fidelity(name):
        return make(space, seed, **{_FIDELITY: fidelity}, **arguments)
    if fidelity is not None:
        whole = make_strategy(name, space.without([fidelity]), seed, learnt=learnt, **options)
        return WholeTrainings(whole, Fidelity.of(space, fidelity))
    if needs_probabilities(name):
        if learnt is None:
            raise UsageError(
                f"strategy '{name}' needs architecture parameters; use a method that learns them, such as darts."
            )
        parameters = inspect.signature(make).parameters
        arguments |= {key: value for key, value in learnt.items() if key in parameters}
    return make(space, seed, **arguments)
