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
    from nas.search.pool import RowsFunction
    from nas.space import Space

__all__ = ["STRATEGIES", "make_strategy", "needs_costs", "needs_fidelity", "needs_probabilities", "strategy_options"]

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
        "reinforce": "nas.search.policy_gradient:reinforce",
        "ppo-controller": "nas.search.policy_gradient:ppo_controller",
        "grow": "nas.search.greedy_growth:GreedyGrowth",
        "mcts": "nas.search.tree_search:TreeSearch",
        "ridge": "nas.search.guided.surrogate_search:ridge",
        "forest": "nas.search.guided.surrogate_search:forest",
        "bananas": "nas.search.guided.thompson_ensemble:bananas",
        "brp": "nas.search.guided.binary_relation:brp",
        "hyperband": "nas.search.hyperband:Hyperband",
        "asha": "nas.search.asha:Asha",
        "linas": "nas.search.guided.linas:Linas",
        "boshnas": "nas.search.guided.input_gradients:boshnas",
        "diffusion": "nas.search.guided.diffusion_search:diffusion",
        "nars": "nas.search.guided.pretrained_ranking:nars",
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
_FIDELITY, _COSTS = "fidelity", "costs"


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


def needs_costs(name: str) -> bool:
    """Whether a strategy learns what architectures cost, of others than it proposes.

    Raises:
        UsageError: there is no such strategy.
    """
    return _COSTS in inspect.signature(STRATEGIES[name]).parameters


def strategy_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a strategy, checked.

    Raises:
        UsageError: there is no such strategy or option, or the option has a value of another type.
    """
    learnt = _LEARNT if needs_probabilities(name) else ()
    return check_options(STRATEGIES[name], options, f"strategy '{name}'", ["space", "seed", _FIDELITY, _COSTS, *learnt])


def make_strategy(
    name: str,
    space: "Space",
    seed: int = 0,
    *,
    learnt: Mapping[str, Any] | None = None,
    fidelity: str | None = None,
    costs: "RowsFunction | None" = None,
    **options: Any,
) -> Strategy:
    """A new strategy, by name.

    Args:
        name: of a shipped or an installed strategy, or ``module:object``.
        fidelity: the choice of how long architectures are trained, if there is one. Strategies that do not decide it
            have all of them trained for the most epochs.
        costs: what is known of architectures before they are evaluated, for strategies that learn it.
        learnt: what a differentiable method has learnt, for strategies that :func:`need it <needs_probabilities>`.
        options: of the strategy.

    Raises:
        UsageError: there is no such strategy or option, the option has a value of another type, or the strategy needs
            what a differentiable method has learnt, trainings of several lengths or costs, and there is none.
    """
    arguments = strategy_options(name, options)
    make = STRATEGIES[name]
    if needs_fidelity(name):
        if fidelity is None:
            raise UsageError(
                f"strategy '{name}' needs trainings of several lengths; give their epochs, such as --set "
                f"extra.{EPOCHS}=[1,3,9,27], to an evaluator that follows them."
            )
        return make(space, seed, **{_FIDELITY: fidelity}, **arguments)
    if fidelity is not None:
        trained = Fidelity.of(space, fidelity)
        known = None if costs is None else lambda some: costs([trained.at(each, trained.most) for each in some])
        whole = make_strategy(name, space.without([fidelity]), seed, learnt=learnt, costs=known, **options)
        return WholeTrainings(whole, trained)
    if needs_costs(name):
        if costs is None:
            raise UsageError(
                f"strategy '{name}' learns what architectures cost before it searches, and nothing tells that here; "
                "name columns of the table that are known beforehand, such as --set evaluator_args.costs=[params]."
            )
        arguments[_COSTS] = costs
    if needs_probabilities(name):
        if learnt is None:
            raise UsageError(
                f"strategy '{name}' needs architecture parameters; use a method that learns them, such as darts."
            )
        parameters = inspect.signature(make).parameters
        arguments |= {key: value for key, value in learnt.items() if key in parameters}
    return make(space, seed, **arguments)
