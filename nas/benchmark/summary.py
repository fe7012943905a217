"""What a benchmark found, in numbers: the best so far of each trial, means and spreads, regret, hypervolume."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.benchmark.question import Question
from nas.benchmark.significance import rank_tests
from nas.benchmark.trial import Trial
from nas.search.pareto import hypervolume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["curves", "figures", "summarise"]

_CHECKPOINTS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_ROUNDING = 1e-12


def curves(question: Question, trials: Sequence[Trial]) -> "pd.DataFrame":
    """A row for each evaluation of each trial: strategy, seed, evaluation, best, and test of that best network.

    With a second objective also hypervolume, as a share of that of all points that are known. A search that ended early
    keeps its last row to the end. Where architectures are trained for several numbers of epochs, an evaluation stands
    for as many epochs as a whole training has.
    """
    import pandas as pd

    volume = _Volume(question, trials) if question.cost is not None else None
    return pd.concat([_curve(question, trial, volume) for trial in trials], ignore_index=True)


def summarise(question: Question, trials: Sequence[Trial], table: "pd.DataFrame") -> dict[str, Any]:
    """Everything in plain values.

    Args:
        table: of :func:`curves`.
    """
    n = question.candidates
    checkpoints = [each for each in _CHECKPOINTS if each < n] + [n]
    columns = [name for name in ("best", "test", "hypervolume") if name in table]
    optimum = {
        "best": question.optimum(question.objective.metric),
        "test": question.optimum("test") if question.has_test else None,
        "hypervolume": 1.0 if question.cost is not None and question.known else None,
    }
    rows = [
        {"strategy": strategy, "seeds": len(group), "seconds": float(np.mean([each.seconds for each in group]))}
        | {name: _at(table[table["strategy"] == strategy], name, checkpoints, optimum[name]) for name in columns}
        for strategy, group in ((key, list(some)) for key, some in groupby(trials, lambda trial: trial.strategy))
    ]
    judged = "hypervolume" if "hypervolume" in columns else "test" if "test" in columns else "best"
    last = table[table["evaluation"] == n].pivot_table(index="seed", columns="strategy", values=judged, sort=False)
    maximise = judged == "hypervolume" or question.objective.maximise
    return {
        "metric": question.objective.metric,
        "maximise": question.objective.maximise,
        "cost": question.cost,
        "candidates": n,
        "epochs": None if question.setup.fidelity.name is None else question.setup.fidelity.most,
        "checkpoints": checkpoints,
        "optimum": {name: optimum[name] for name in columns},
        "strategies": rows,
        "judged_by": judged,
        "significance": rank_tests(last, maximise),
        "notes": [] if question.setup.results is None else question.setup.results.notes,
    }


def figures(found: Mapping[str, Any]) -> "pd.DataFrame":
    """What :func:`summarise` gives as a table: a row for each strategy, figure and number of evaluations."""
    import pandas as pd

    rows = [
        {"strategy": row["strategy"], "seeds": row["seeds"], "figure": name, "evaluations": int(count), **values}
        for row in found["strategies"]
        for name in found["optimum"]
        for count, values in row[name].items()
    ]
    return pd.DataFrame(rows)


def _curve(question: Question, trial: Trial, volume: "_Volume | None") -> "pd.DataFrame":
    import pandas as pd

    n, done = question.candidates, _evaluations_done(question, trial)
    so_far = [None, *_best_positions(trial.values, question.objective.maximise)]
    best = [so_far[count] for count in done]

    def at(values: Sequence[float | None]) -> list[float]:
        return [np.nan if place is None or values[place] is None else float(values[place]) for place in best]  # type: ignore[arg-type]

    table = pd.DataFrame({"strategy": trial.strategy, "seed": trial.seed, "evaluation": range(1, n + 1)})
    table["best"] = at(trial.values)
    if question.has_test:
        table["test"] = at(trial.tests)
    if volume is not None:
        found = [0.0, *volume.so_far(trial)]
        table["hypervolume"] = [found[count] for count in done]
    return table


def _evaluations_done(question: Question, trial: Trial) -> list[int]:
    """How many evaluations of a trial were done when 1, 2, ..., n were, or as many epochs as whole trainings have."""
    epochs = [1] * len(trial.values) if trial.epochs is None else list(trial.epochs)
    whole = question.setup.fidelity.most * np.arange(1, question.candidates + 1)
    return [int(each) for each in np.searchsorted(np.cumsum(epochs), whole, side="right")]


def _best_positions(values: Sequence[float | None], maximise: bool) -> Iterator[int | None]:
    """Where the best of the first 1, 2, ..., n values is; None as long as there is none."""
    best: int | None = None
    for place, value in enumerate(values):
        held = None if best is None else values[best]
        if value is not None and (held is None or (value > held if maximise else value < held)):
            best = place
        yield best


def _at(table: "pd.DataFrame", name: str, checkpoints: Sequence[int], optimum: float | None) -> dict[str, Any]:
    """Mean, standard deviation over seeds and, where the optimum is known, mean regret after so many evaluations."""
    found = {}
    for count in checkpoints:
        values = table[table["evaluation"] == count][name]
        mean = _plain(values.mean())
        regret = None if optimum is None or mean is None else _difference(optimum, mean)
        found[str(count)] = {"mean": mean, "sd": _plain(values.std()), "regret": regret}
    return found


def _difference(optimum: float, mean: float) -> float:
    """Without what rounding adds to a mean of equal numbers."""
    return 0.0 if math.isclose(optimum, mean, rel_tol=_ROUNDING) else abs(optimum - mean)


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


class _Volume:
    """Hypervolume of metric and cost, as a share of that of all points that are known.

    The reference is the median of the metric and the greatest cost of these points: of the table, or of a function all
    that was tried.
    """

    def __init__(self, question: Question, trials: Sequence[Trial]) -> None:
        self._sign = -1.0 if question.objective.maximise else 1.0
        metric, cost = question.objective.metric, str(question.cost)
        known = [(row[metric], row[cost]) for row in question.known]
        known = known or [pair for trial in trials for pair in zip(trial.values, trial.costs, strict=True)]  # type: ignore[misc]
        points = self._points(known)
        self._reference = [float(np.median(points[:, 0])), float(points[:, 1].max())] if len(points) else [0.0, 0.0]
        self._whole = hypervolume(points, self._reference) or 1.0

    def so_far(self, trial: Trial) -> list[float]:
        """After each evaluation."""
        found, volume, front = [], 0.0, np.empty((0, 2))
        for point in self._points(list(zip(trial.values, trial.costs, strict=True)), keep=True):
            improves = np.isfinite(point).all() and not (front <= point).all(axis=1).any()
            if improves:
                front = np.vstack([front[~(front >= point).all(axis=1)], point])
                volume = hypervolume(front, self._reference) / self._whole
            found.append(volume)
        return found

    def _points(self, pairs: Sequence[tuple[float | None, float | None]], keep: bool = False) -> np.ndarray:
        """``[n, 2]`` to minimise; rows with something unknown are left out unless they are kept."""
        points = np.array([[np.nan if each is None else each for each in pair] for pair in pairs], dtype=float)
        points = points.reshape(-1, 2) * [self._sign, 1.0]
        return points if keep else points[np.isfinite(points).all(axis=1)]
