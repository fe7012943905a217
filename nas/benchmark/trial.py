"""One search of a benchmark: a strategy, a seed, and what everything that it tried has."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from nas.benchmark.question import Entrant, Question
from nas.search import NothingFeasibleError, Result, SerialPool, search
from nas.space import Architecture

__all__ = ["Trial", "run_trial"]


@dataclass(frozen=True)
class Trial:
    """What a strategy tried, in order; None where an architecture could not be used, or nothing is known.

    Attributes:
        strategy: its label.
        values: the metric of each architecture.
        tests: its test figure.
        costs: its second objective.
        seconds: of the processor that the whole search took.
        epochs: for how many each was trained; None where that is no choice.
    """

    strategy: str
    seed: int
    values: Sequence[float | None]
    tests: Sequence[float | None]
    costs: Sequence[float | None]
    seconds: float
    epochs: Sequence[int] | None = None

    def record(self) -> dict[str, Any]:
        """In plain values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Trial":
        return cls(**record)


def run_trial(question: Question, entrant: Entrant, seed: int) -> Trial:
    """Lets a strategy search once; no ledger is kept, since what is recorded is the whole trial.

    Raises:
        UsageError: the strategy or the evaluator fails.
    """
    setup, begun, tried = question.setup, time.process_time(), list[Result]()
    evaluate, table, cost, fidelity = setup.evaluator(), setup.results, question.cost, setup.fidelity

    def rows(architectures: Sequence[Architecture]) -> list[dict[str, float]]:
        return [evaluate.row(each) for each in architectures]

    with suppress(NothingFeasibleError):  # then none of what was tried can be used, which the values tell
        search(
            setup.space,
            SerialPool(rows, f"evaluator '{setup.config.evaluator}'"),
            setup.strategy(entrant.name, entrant.options, seed),
            objectives=setup.objectives,
            costs=setup.costs,
            constraints=setup.constraints,
            budget=question.candidates,
            batch=question.batch,
            on_result=tried.append,
            fidelity=fidelity.name,
        )
    metric = question.objective.metric
    return Trial(
        entrant.label,
        seed,
        [result.metrics[metric] if result.usable else None for result in tried],
        [None if table is None else table.tested(result.architecture) for result in tried],
        [_finite(result.metrics.get(cost)) if cost and result.usable else None for result in tried],
        round(time.process_time() - begun, 3),
        None if fidelity.name is None else [fidelity.epochs(result.architecture) for result in tried],
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
