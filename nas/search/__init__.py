"""Which architecture next: objectives, constraints, strategies, the ledger and the search loop."""

import inspect
from collections.abc import Callable
from typing import Any

from nas.errors import UsageError, did_you_mean
from nas.search.best_only import BestOnly
from nas.search.constraints import Constraint, check_feasible
from nas.search.derivation import collapse, derive, entropy, longest_path, threshold
from nas.search.derived import Derived
from nas.search.evolution import Evolution
from nas.search.exhaustive import Exhaustive
from nas.search.ledger import Entry, Key, Ledger
from nas.search.local import Local
from nas.search.loop import search
from nas.search.objectives import Objective, objective_values
from nas.search.optuna_samplers import nsga2, tpe
from nas.search.pareto import crowding_distance, hypervolume, nondominated_ranks, pareto_front
from nas.search.perturbation import Projection, perturb, projected
from nas.search.pool import InTurn, Measure, Pool
from nas.search.random import Random
from nas.search.strategy import Result, Strategy
from nas.space import Space

__all__ = [
    "LEARNT",
    "STRATEGIES",
    "BestOnly",
    "Constraint",
    "Derived",
    "Entry",
    "Evolution",
    "Exhaustive",
    "InTurn",
    "Key",
    "Ledger",
    "Local",
    "Measure",
    "Objective",
    "Pool",
    "Projection",
    "Random",
    "Result",
    "Strategy",
    "check_feasible",
    "collapse",
    "crowding_distance",
    "derive",
    "entropy",
    "hypervolume",
    "longest_path",
    "nondominated_ranks",
    "nsga2",
    "objective_values",
    "pareto_front",
    "perturb",
    "projected",
    "search",
    "strategy",
    "threshold",
    "tpe",
]

STRATEGIES: dict[str, tuple[Callable[..., Strategy], str]] = {
    "random": (Random, "uniform over choices, nothing twice"),
    "exhaustive": (Exhaustive, "every architecture of a small space"),
    "evolution": (Evolution, "regularised evolution, the oldest dies"),
    "local": (Local, "neighbours of the current front, random restarts"),
    "nsga2": (nsga2, "NSGA-II of Optuna"),
    "tpe": (tpe, "tree-structured Parzen estimator of Optuna"),
}
"""Name → (constructor from a space, a seed and options; one-line summary)."""

LEARNT: dict[str, tuple[Callable[..., Strategy], str]] = {
    "derived": (Derived, "what the architecture parameters propose, then draws from their probabilities"),
}
"""Likewise strategies that also need what a supernet has learnt, so that only its run can make them."""


def strategy(name: str, space: Space, seed: int = 0, **options: Any) -> Strategy:
    """The named strategy, with its own options.

    Raises:
        UsageError: no such strategy, or one of :data:`LEARNT`, or it has no such option, or the option takes another
            kind of value.
    """
    if name in LEARNT:
        raise UsageError(
            f"strategy '{name}' needs architecture parameters; take it with a method that learns them, such as darts."
        )
    if name not in STRATEGIES:
        raise UsageError(f"strategy '{name}' is not known; {did_you_mean(name, STRATEGIES)}")
    constructor, _ = STRATEGIES[name]
    known = {
        option: parameter.default
        for option, parameter in inspect.signature(constructor).parameters.items()
        if option not in ("space", "seed")
    }
    for option, value in options.items():
        if option not in known:
            hint = did_you_mean(option, known) if known else "it has none."
            raise UsageError(f"strategy '{name}' has no option '{option}'; {hint}")
        accepted = (int, float) if isinstance(known[option], float) else int
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise UsageError(f"strategy '{name}' has {option} {value!r}, expected a number such as {known[option]}.")
    return constructor(space, seed, **options)
