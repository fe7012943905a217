"""How good is a ranking? Against the truth, against counting operations, and against its own luck."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.evaluation.ranking.measures import (
        best_rank as best_rank,
        precision_at as precision_at,
        probability_better_than_random as probability_better_than_random,
        regret as regret,
        sparse_tau as sparse_tau,
        tau as tau,
        weighted_tau as weighted_tau,
    )
    from nas.evaluation.ranking.repeats import (
        Agreement as Agreement,
        agreement as agreement,
        bootstrap as bootstrap,
        ceiling as ceiling,
        consecutive as consecutive,
    )
    from nas.evaluation.ranking.strata import (
        Strata as Strata,
        equal_cost as equal_cost,
        tau_within_strata as tau_within_strata,
    )
    from nas.evaluation.ranking.verdict import (
        FEWEST as FEWEST,
        LEAST_CEILING as LEAST_CEILING,
        CostRanking as CostRanking,
        Estimate as Estimate,
        Outcome as Outcome,
        Ranking as Ranking,
        cost_word as cost_word,
        rank as rank,
    )

lazy(__name__)
