"""How good is a ranking? Against the truth, against counting operations, and against its own luck."""

from nas.evaluation.ranking.measures import (
    best_rank,
    precision_at,
    probability_better_than_random,
    regret,
    sparse_tau,
    tau,
    weighted_tau,
)
from nas.evaluation.ranking.repeats import Agreement, agreement, bootstrap, ceiling, consecutive
from nas.evaluation.ranking.strata import Strata, equal_cost, tau_within_strata
from nas.evaluation.ranking.verdict import (
    FEWEST,
    LEAST_CEILING,
    CostRanking,
    Estimate,
    Outcome,
    Ranking,
    cost_word,
    rank,
)

__all__ = [
    "FEWEST",
    "LEAST_CEILING",
    "Agreement",
    "CostRanking",
    "Estimate",
    "Outcome",
    "Ranking",
    "Strata",
    "agreement",
    "best_rank",
    "bootstrap",
    "ceiling",
    "consecutive",
    "cost_word",
    "equal_cost",
    "precision_at",
    "probability_better_than_random",
    "rank",
    "regret",
    "sparse_tau",
    "tau",
    "tau_within_strata",
    "weighted_tau",
]
