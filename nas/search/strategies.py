"""The strategies by name."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nas.errors import UsageError
from nas.parts import Slot, check_options
from nas.search.strategy import Strategy
from nas.space import Space

__all__ = ["STRATEGIES", "follows_learnt", "strategy", "strategy_options"]

STRATEGIES: Slot[Callable[..., Strategy]] = Slot(
    "strategy",
    "nas.strategies",
    {
        "random": "nas.search.random_search:Random",
        "exhaustive": "nas.search.exhaustive_search:Exhaustive",
        "evolution": "nas.search.evolution:Evolution",
        "local": "nas.search.local_search:Local",
        "nsga2": "nas.search.optuna_samplers:nsga2",
        "tpe": "nas.search.optuna_samplers:tpe",
        "derived": "nas.search.learnt_distribution:Derived",
    },
    callable,
    "a class or function that takes a space and a seed",
)

_LEARNT = ("proposals", "probabilities", "options", "banned")
"""Arguments that only the run of a differentiable method knows; see :mod:`nas.search.learnt_distribution`."""


def follows_learnt(name: str) -> bool:
    """Whether a strategy takes the probabilities that a differentiable method has learnt.

    Raises:
        UsageError: there is no such strategy.
    """
    return "probabilities" in inspect.signature(STRATEGIES[name]).parameters


def strategy_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a strategy, checked.

    Raises:
        UsageError: no such strategy, or it has no such option, or the option takes another kind of value.
    """
    kept = _LEARNT if follows_learnt(name) else ()
    return check_options(STRATEGIES[name], options, f"strategy '{name}'", ["space", "seed", *kept])


def strategy(
    name: str, space: Space, seed: int = 0, *, learnt: Mapping[str, Any] | None = None, **options: Any
) -> Strategy:
    """The named strategy, with its own options.

    Args:
        name: of a shipped or an installed strategy, or ``module:object``.
        learnt: what a differentiable method has learnt, for strategies that :func:`follow it <follows_learnt>`.
        options: its other arguments.

    Raises:
        UsageError: no such strategy, or it follows what is not there, or it has no such option, or the option takes
            another kind of value.
    """
    own = strategy_options(name, options)
    follows = follows_learnt(name)
    if follows and learnt is None:
        raise UsageError(
            f"strategy '{name}' needs architecture parameters; take it with a method that learns them, such as darts."
        )
    make = STRATEGIES[name]
    taken = inspect.signature(make).parameters if follows else {}
    return make(space, seed, **own, **{key: value for key, value in (learnt or {}).items() if key in taken})
