"""Which architecture next: objectives, constraints, strategies, the ledger and the search loop."""

from nas.search.constraints import Constraint, check_feasible
from nas.search.derivation import collapse, derive, entropy, longest_path, threshold
from nas.search.evolution import Evolution
from nas.search.exhaustive_search import Exhaustive
from nas.search.learnt_distribution import Derived
from nas.search.ledger import Entry, Key, Ledger
from nas.search.local_search import Local
from nas.search.loop import search
from nas.search.objectives import Objective, objective_values
from nas.search.optuna_samplers import nsga2, tpe
from nas.search.pareto import crowding_distance, hypervolume, nondominated_ranks, pareto_front
from nas.search.perturbation import Projection, perturb, rounds
from nas.search.pool import InTurn, Measure, Pool
from nas.search.random_search import Random
from nas.search.single_objective import BestOnly
from nas.search.strategies import STRATEGIES, follows_learnt, strategy, strategy_options
from nas.search.strategy import Result, Strategy

__all__ = [
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
    "follows_learnt",
    "hypervolume",
    "longest_path",
    "nondominated_ranks",
    "nsga2",
    "objective_values",
    "pareto_front",
    "perturb",
    "rounds",
    "search",
    "strategy",
    "strategy_options",
    "threshold",
    "tpe",
]
