"""Search: objectives, constraints, strategies, the ledger of results and the search loop."""

from nas.search.constraints import Constraint, NothingFeasibleError, check_feasible
from nas.search.derivation import collapse_warning, derive, entropy, longest_path, threshold
from nas.search.evolution import Evolution
from nas.search.exhaustive_search import ExhaustiveSearch
from nas.search.learnt_distribution import LearntDistribution
from nas.search.ledger import Entry, Ledger, ResultIdentity, ResultKey
from nas.search.local_search import LocalSearch
from nas.search.loop import search
from nas.search.objectives import Objective, objective_values
from nas.search.optuna_samplers import nsga2, tpe
from nas.search.pareto import crowding_distance, hypervolume, nondominated_ranks, pareto_front
from nas.search.perturbation import Projection, select_by_perturbation, selection_rounds
from nas.search.pool import MetricFunction, Pool, SerialPool
from nas.search.random_search import RandomSearch
from nas.search.single_objective import SingleObjective
from nas.search.strategies import STRATEGIES, make_strategy, needs_probabilities, strategy_options
from nas.search.strategy import Result, Strategy

__all__ = [
    "STRATEGIES",
    "Constraint",
    "Entry",
    "Evolution",
    "ExhaustiveSearch",
    "LearntDistribution",
    "Ledger",
    "LocalSearch",
    "MetricFunction",
    "NothingFeasibleError",
    "Objective",
    "Pool",
    "Projection",
    "RandomSearch",
    "Result",
    "ResultIdentity",
    "ResultKey",
    "SerialPool",
    "SingleObjective",
    "Strategy",
    "check_feasible",
    "collapse_warning",
    "crowding_distance",
    "derive",
    "entropy",
    "hypervolume",
    "longest_path",
    "make_strategy",
    "needs_probabilities",
    "nondominated_ranks",
    "nsga2",
    "objective_values",
    "pareto_front",
    "search",
    "select_by_perturbation",
    "selection_rounds",
    "strategy_options",
    "threshold",
    "tpe",
]
