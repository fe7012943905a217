"""Everything that must be said of a ranking together: alone, each of these numbers misleads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import UsageError
from nas.evaluation.ranking.measures import (
    Floats,
    best_rank,
    precision_at,
    probability_better_than_random,
    regret,
    sparse_tau,
    tau,
    weighted_tau,
)
from nas.evaluation.ranking.repeats import bootstrap, ceiling
from nas.evaluation.ranking.strata import Binning, equal_cost, tau_within_strata
from nas.wording import counted

__all__ = ["FEWEST", "LEAST_CEILING", "CostRanking", "Estimate", "Outcome", "Ranking", "cost_word", "rank"]

FEWEST = 3
"""Architectures that a ranking needs."""

LEAST_CEILING = 0.5
"""What two trainings of the truth must agree in (tau) to evaluate a ranking."""

_TOPS = (1, 5, 10)

Outcome = Literal["better", "undecided", "worse", "inconclusive", "alone"]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval over architectures; NaN where undefined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"

    def record(self) -> dict[str, float | None]:
        """Plain values; None where undefined."""
        return {name: None if np.isnan(value) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class CostRanking:
    """What a cost says about the same architectures.

    Attributes:
        tau: of the cost itself as a score, the dearest taken for the best; that it leaves many pairs undecided does not
            count against it in tau-b.
        gain: tau of the scores less that, on the same draws of architectures.
        within: tau of the scores among architectures of equal or similar cost.
        rule: whether strata are of "equal" cost, or quantile "bins" of it.
        strata: how many there are.
    """

    tau: Estimate
    gain: Estimate
    within: Estimate
    rule: Binning
    strata: int


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How well scores rank architectures, with what it must be compared with.

    Attributes:
        count: the number of architectures.
        trainings: how many independent trainings the truth is the mean of.
        tau: Kendall's tau-b.
        sparse_tau: with the truth rounded down to multiples of ``threshold``.
        threshold: in the units of the truth.
        weighted_tau: with exchanges near the top weighing more.
        precision: k → share of the k best by score that are among the k best in truth.
        regret: k → what is lost, in units of the truth, by keeping the best of the k best by score.
        best_rank: k → the best true rank among these.
        better_than_random: how likely the best by score is no worse than the best of ten random draws.
        costs: cost → what it says by itself.
        ceiling: mean tau between single trainings of the truth; None of one training.
    """

    count: int
    trainings: int
    tau: Estimate
    sparse_tau: Estimate
    threshold: float
    weighted_tau: Estimate
    precision: Mapping[int, float]
    regret: Mapping[int, float]
    best_rank: Mapping[int, float]
    better_than_random: float
    costs: Mapping[str, CostRanking]
    ceiling: Estimate | None

    @property
    def judgeable(self) -> bool | None:
        """Whether the truth agrees with itself well enough to evaluate; None where it was trained once."""
        return None if self.ceiling is None else self.ceiling.value >= LEAST_CEILING

    @property
    def outcome(self) -> Outcome:
        """ "better" or "worse" than a cost alone, where the interval of the difference leaves out 0.

        "better" than all costs, that is; "alone" if there is none, "inconclusive" if the truth cannot judge.
        """
        if self.judgeable is False:
            return "inconclusive"
        gains = [cost.gain for cost in self.costs.values()]
        if not gains:
            return "alone"
        if any(gain.high < 0 for gain in gains):
            return "worse"
        return "better" if all(gain.low > 0 for gain in gains) else "undecided"

    @property
    def verdict(self) -> str:
        """One sentence that says whether the scores rank better than counting does."""
        if self.ceiling is not None and not self.judgeable:
            return (
                f"Inconclusive: trainings of the ground truth agree with each other by tau {self.ceiling} only, and "
                f"below {LEAST_CEILING} they cannot judge a ranking."
            )
        if not self.costs:
            return f"The scores rank with tau {self.tau}; no cost is known to compare them with."
        if self.outcome == "better":
            others = " and ".join(f"{cost.tau.value:.2f} by {cost_word(name)}" for name, cost in self.costs.items())
            names = " or ".join(map(cost_word, self.costs))
            return f"The supernet ranks better than {names} alone: tau {self.tau} against {others}."
        name, cost = min(self.costs.items(), key=lambda item: item[1].gain.value)
        pair = f"tau {self.tau} against {cost.tau.value:.2f}, a difference of {cost.gain}"
        if self.outcome == "worse":
            return f"The supernet ranks worse than {cost_word(name)} alone: {pair}."
        return f"It is not shown that the supernet ranks better than {cost_word(name)} alone: {pair}."

    def record(self) -> dict[str, Any]:
        """Everything as plain values for JSON; None where undefined."""
        said = {"verdict": self.verdict, "outcome": self.outcome}
        return {**said, **_recorded(vars(self)), "judgeable": self.judgeable}


def rank(
    scores: ArrayLike,
    truth: ArrayLike,
    costs: Mapping[str, ArrayLike] | None = None,
    *,
    maximise: bool = True,
    threshold: float = 0.001,
    seed: int = 0,
    samples: int = 500,
) -> Ranking:
    """Evaluates scores by the truth, and both by what costs alone would have said.

    Args:
        scores: ``[n]``, such as accuracy with shared weights.
        truth: ``[n]`` of stand-alone training, or ``[n, trainings]`` of independent ones, whose mean is the truth.
        costs: name → ``[n]``, such as "flops" and "params"; the greater is expected to be the better network.
        maximise: whether greater scores and truths are better; False for a loss or bits per character.
        threshold: of :func:`nas.evaluation.ranking.sparse_tau`, in the units of the truth.
        seed: of the bootstrap.
        samples: of the bootstrap.

    Raises:
        UsageError: fewer than three architectures, shapes that do not fit, a value that is not finite, or a truth
            that is the same for all.
    """
    sign = 1.0 if maximise else -1.0
    score, trainings = _checked(sign * np.asarray(scores, np.float64), sign * np.asarray(truth, np.float64))
    given = () if costs is None else costs.items()
    known, mean = {name: _cost(name, each, score) for name, each in given}, trainings.mean(axis=1)
    strata = {name: equal_cost(each) for name, each in known.items()}

    def measured(rows: NDArray[np.intp]) -> dict[str, float]:
        drawn = {name: (each[rows], strata[name].labels[rows].astype(np.float64)) for name, each in known.items()}
        return _measured(score[rows], trainings[rows], mean[rows], threshold, drawn)

    point = measured(np.arange(len(score)))
    intervals = bootstrap(lambda rows: list(measured(rows).values()), len(score), seed, samples)
    found = {
        name: Estimate(value, *bounds) for (name, value), bounds in zip(point.items(), intervals.tolist(), strict=True)
    }
    tops = [k for k in _TOPS if k < len(score)]
    first = best_rank(score, mean)
    return Ranking(
        count=len(score),
        trainings=trainings.shape[1],
        tau=found["tau"],
        sparse_tau=found["sparse_tau"],
        threshold=threshold,
        weighted_tau=found["weighted_tau"],
        precision={k: precision_at(score, mean, k) for k in tops},
        regret={k: regret(score, mean, k) for k in tops},
        best_rank={k: best_rank(score, mean, k) for k in tops},
        better_than_random=probability_better_than_random(first, len(score)),
        costs={
            name: CostRanking(
                found[f"tau/{name}"], found[f"gain/{name}"], found[f"within/{name}"], each.rule, each.count
            )
            for name, each in strata.items()
        },
        ceiling=found.get("ceiling"),
    )


def _recorded(value: Any) -> Any:
    """The value of a field in plain values."""
    if isinstance(value, Estimate):
        return value.record()
    inside = vars(value) if isinstance(value, CostRanking) else value
    return {str(key): _recorded(each) for key, each in inside.items()} if isinstance(inside, Mapping) else inside


def _measured(
    score: Floats, trainings: Floats, truth: Floats, threshold: float, costs: Mapping[str, tuple[Floats, Floats]]
) -> dict[str, float]:
    """The statistics that get an interval; of each cost its values and its strata."""
    found = {
        "tau": tau(score, truth),
        "sparse_tau": sparse_tau(score, truth, threshold),
        "weighted_tau": weighted_tau(score, truth),
    }
    for name, (cost, labels) in costs.items():
        found[f"tau/{name}"] = tau(cost, truth)
        found[f"gain/{name}"] = found["tau"] - found[f"tau/{name}"]
        found[f"within/{name}"] = tau_within_strata(score, truth, labels)
    if trainings.shape[1] > 1:
        found["ceiling"] = ceiling(*trainings.T)
    return found


def _checked(scores: Floats, truth: Floats) -> tuple[Floats, Floats]:
    """Scores ``[n]`` and truth ``[n, trainings]``."""
    trainings = truth[:, None] if truth.ndim == 1 else truth
    if scores.ndim != 1 or trainings.ndim != 2 or len(trainings) != len(scores) or not trainings.shape[1]:
        raise UsageError(
            f"scores of shape {scores.shape} cannot be evaluated by truth of shape {truth.shape}; give [n] and [n], or "
            "[n, trainings], for the same architectures in the same order."
        )
    if len(scores) < FEWEST:
        raise UsageError(f"a ranking of {counted(len(scores), 'architecture')} says nothing; give {FEWEST} or more.")
    if not (np.isfinite(scores).all() and np.isfinite(trainings).all()):
        raise UsageError("scores or truth hold a value that is not finite; drop these architectures.")
    if np.ptp(trainings.mean(axis=1)) == 0:
        raise UsageError(f"the truth is {abs(trainings.mean()):g} for all architectures, so nothing can be ranked.")
    return scores, trainings


def _cost(name: str, values: ArrayLike, scores: Floats) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != scores.shape or not np.isfinite(found).all():
        raise UsageError(f"cost '{name}' has shape {found.shape}; give a finite value for each of {len(scores)} rows.")
    return found


def cost_word(name: str) -> str:
    """What a cost is called within a sentence.

    >>> cost_word("flops"), cost_word("params"), cost_word("latency_ms")
    ('FLOPs', 'parameters', 'latency ms')
    """
    return {"flops": "FLOPs", "params": "parameters"}.get(name, name.replace("_", " "))
