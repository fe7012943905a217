"""Search: objectives, constraints, strategies, the ledger of results and the search loop."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.search.asha import Asha as Asha
    from nas.search.constraints import (
        Constraint as Constraint,
        NothingFeasibleError as NothingFeasibleError,
        check_feasible as check_feasible,
    )
    from nas.search.derivation import (
        collapse_warning as collapse_warning,
        derive as derive,
        entropy as entropy,
        longest_path as longest_path,
        threshold as threshold,
    )
    from nas.search.evolution import Evolution as Evolution
    from nas.search.exhaustive_search import ExhaustiveSearch as ExhaustiveSearch
    from nas.search.hyperband import Hyperband as Hyperband
    from nas.search.learnt_distribution import LearntDistribution as LearntDistribution
    from nas.search.ledger import (
        Entry as Entry,
        Ledger as Ledger,
        ResultIdentity as ResultIdentity,
        ResultKey as ResultKey,
    )
    from nas.search.local_search import LocalSearch as LocalSearch
    from nas.search.loop import search as search
    from nas.search.objectives import Objective as Objective, objective_values as objective_values
    from nas.search.optuna_samplers import nsga2 as nsga2, tpe as tpe
    from nas.search.pareto import (
        crowding_distance as crowding_distance,
        hypervolume as hypervolume,
        nondominated_ranks as nondominated_ranks,
        pareto_front as pareto_front,
    )
    from nas.search.perturbation import (
        Projection as Projection,
        select_by_perturbation as select_by_perturbation,
        selection_rounds as selection_rounds,
    )
    from nas.search.pool import (
        MetricFunction as MetricFunction,
        Pool as Pool,
        RowsFunction as RowsFunction,
        SerialPool as SerialPool,
    )
    from nas.search.random_search import RandomSearch as RandomSearch
    from nas.search.random_walks import near_bounds as near_bounds
    from nas.search.scaling import scaled_alike as scaled_alike
    from nas.search.seeded import Seeded as Seeded
    from nas.search.single_objective import SingleObjective as SingleObjective
    from nas.search.strategies import (
        STRATEGIES as STRATEGIES,
        make_strategy as make_strategy,
        needs_costs as needs_costs,
        needs_fidelity as needs_fidelity,
        needs_probabilities as needs_probabilities,
        strategy_options as strategy_options,
    )
    from nas.search.strategy import Result as Result, Strategy as Strategy

lazy(__name__)
