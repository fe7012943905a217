"""What a space costs, and how much of it satisfies the constraints, before anything is trained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nas.search import Constraint, Evolution, MetricFunction, Result, check_feasible
from nas.setup.progress import Progress, Silent
from nas.setup.run_setup import LATENCY, Setup
from nas.space import Architecture
from nas.streams import Stream, derive_seed
from nas.tasks.intervals import accuracy_interval
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_constraints", "feasibility_report"]

_ROUNDS = 40
_BATCH = 50
_BINS = 20


def check_constraints(
    setup: Setup, costs: MetricFunction | None = None, progress: Progress | None = None
) -> list[Constraint]:
    """The constraints in the order given, those on costs with absolute bounds.

    Constraints on what ``costs`` does not tell are neither checked nor resolved.

    Args:
        costs: by default those that are known without measuring anything.
        progress: shows how many networks costs of one's own are known of, since these may take long.

    Raises:
        UsageError: none of the samples satisfies them, nor what evolves from them; names the nearest value.
    """
    with _told(setup, progress or Silent()) if costs is None else nullcontext(costs) as told:
        table = told(setup.samples)
        bounds = _resolved(setup, setup.samples, table)
        checked = [bound for bound in bounds if bound.metric in table]
        check_feasible(checked, _tried(setup, checked, told, table))
    return bounds


@contextmanager
def _told(setup: Setup, progress: Progress) -> Iterator[MetricFunction]:
    """What is known of architectures without measuring anything; progress shows costs of one's own."""
    import pandas as pd

    if not setup.own_costs.names:
        yield setup.cost_table
        return
    title = f"Working out {' and '.join(setup.own_costs.names)} of {counted(len(setup.samples), 'network')}"
    with progress.task(title, len(setup.samples)) as task:

        def costs(architectures: Sequence[Architecture]) -> "pd.DataFrame":
            rows = []
            for done, architecture in enumerate(architectures, start=1):
                rows.append(setup.costs_of(architecture))
                task.update(done)
            return pd.DataFrame(rows)

        yield costs


def feasibility_report(setup: Setup, costs: MetricFunction, latency_error: float = 0.0) -> dict[str, Any]:
    """What the space costs and how much of it satisfies each constraint, as plain values that JSON can hold.

    A space of no more architectures than ``profile.samples`` is counted whole. Of a larger one, the random
    architectures of :attr:`Setup.samples` stand for it: drawn uniformly over choices, as a search draws them, and
    counted as often as they were drawn. The smallest and the largest of the space, which are known besides, show in
    ``smallest`` and ``largest`` but neither in shares nor in histograms, unless they were drawn.

    Args:
        latency_error: mean relative error of the predicted latency, 0 where it is measured.

    Returns:
        ``architectures``: size of the space. ``sampled``: how many were counted. ``exact``: whether these are all.

        ``costs``: for each cost the values ``smallest``, ``median`` (the lower one of two) and ``largest``, the
        ``architectures`` that have them (``id`` and ``architecture``, choice → candidate), and a ``histogram`` with
        ``edges`` from the smallest to the largest and ``counts``.

        ``satisfied``: constraint → share that satisfies it.

        ``constraints``: constraint → ``metric``, ``bound`` (absolute), ``share``, ``low`` and ``high``, ``met``
        (whether an architecture that satisfies it is known) and ``nearest``. The error of a share has two parts.
        Sampling: the 95 % interval (Wilson); nothing where the space is counted whole. Prediction: the share moves
        when the bound on latency is multiplied by 1 ± ``latency_error``. ``low`` is the lower end of the interval of
        the smaller of these two shares and ``high`` the upper end of the larger one, so both parts together stay
        within. ``nearest`` is None unless the share is 0: then the value that comes nearest to the bound, or
        satisfies it after all, of all architectures or of what evolution finds from the samples.
    """
    exact = setup.space.size <= setup.config.profile.samples
    known = list(setup.space) if exact else setup.samples
    table = costs(known)
    drawn = np.arange(len(known)) if exact else _drawn(setup)
    constraints = {}
    for constraint, bound in zip(setup.constraints, _resolved(setup, known, table), strict=True):
        if bound.metric in table:
            row = _share(bound, table[bound.metric].to_numpy(float)[drawn], exact, latency_error)
            if not row["share"]:
                row |= _nearest(bound, table if exact else _tried(setup, [bound], costs, table))
            constraints[str(constraint)] = row
    return {
        "architectures": setup.space.size,
        "sampled": len(drawn),
        "exact": exact,
        "costs": {str(name): _spread(known, table[name].to_numpy(float), drawn) for name in table},
        "satisfied": {text: row["share"] for text, row in constraints.items()},
        "constraints": constraints,
    }


def _drawn(setup: Setup) -> npt.NDArray[np.intp]:
    """Rows of :attr:`Setup.samples` in the order drawn, one that was drawn twice twice."""
    row = {architecture: place for place, architecture in enumerate(setup.samples)}
    return np.array([row[architecture] for architecture in setup.draws])


def _spread(
    known: Sequence[Architecture], values: npt.NDArray[np.float64], drawn: npt.NDArray[np.intp]
) -> dict[str, Any]:
    """The smallest, median and largest of the values ``[known]`` of one cost, and the histogram of the drawn ones."""
    middle = drawn[np.argsort(values[drawn], kind="stable")[(len(drawn) - 1) // 2]]
    rows = {"smallest": int(values.argmin()), "median": int(middle), "largest": int(values.argmax())}
    edges = np.histogram_bin_edges(values, _BINS)
    return {
        **{name: float(values[row]) for name, row in rows.items()},
        "architectures": {name: {"id": known[row].id, "architecture": dict(known[row])} for name, row in rows.items()},
        "histogram": {"edges": edges.tolist(), "counts": np.histogram(values[drawn], edges)[0].tolist()},
    }


def _share(bound: Constraint, values: npt.NDArray[np.float64], exact: bool, latency_error: float) -> dict[str, Any]:
    """The share of values within the bound, with its error; see :func:`feasibility`."""

    def within(factor: float) -> int:
        moved = replace(bound, bound=bound.bound * factor)
        return sum(moved.violation({bound.metric: value}) == 0 for value in values)

    error = latency_error if bound.metric == LATENCY else 0.0
    fewest, most = sorted((within(max(0.0, 1 - error)), within(1 + error)))
    low, high = accuracy_interval(fewest, len(values))[0], accuracy_interval(most, len(values))[1]
    return {
        "metric": bound.metric,
        "bound": bound.bound,
        "share": within(1) / len(values),
        "low": fewest / len(values) if exact else low,
        "high": most / len(values) if exact else high,
        "met": True,
        "nearest": None,
    }


def _nearest(bound: Constraint, tried: "pd.DataFrame") -> dict[str, Any]:
    """The value that violates the bound least, and whether it violates it at all."""
    values = tried[bound.metric].to_numpy(float)
    violations = [bound.violation({bound.metric: value}) for value in values]
    return {"met": min(violations) == 0, "nearest": float(values[np.argmin(violations)])}


def _tried(setup: Setup, bounds: Sequence[Constraint], costs: MetricFunction, table: "pd.DataFrame") -> "pd.DataFrame":
    """Costs of the samples and, until one is within the bounds, of what evolution makes of them.

    Args:
        table: costs of the samples.
    """
    import pandas as pd

    tables, asked = [table], setup.samples
    evolution = Evolution(setup.space, derive_seed(setup.config.seed, Stream.FEASIBILITY))
    while True:
        rows: Sequence[dict[str, float]] = tables[-1].to_dict("records")  # type: ignore[assignment]
        violations = [sum(bound.violation(row) for bound in bounds) for row in rows]
        if min(violations) == 0 or len(tables) == _ROUNDS:
            break
        evolution.tell([Result(a, {}, None, violation) for a, violation in zip(asked, violations, strict=True)])
        asked = evolution.ask(_BATCH)
        if not asked:
            break
        tables.append(costs(asked))
    return pd.concat(tables, ignore_index=True)


def _resolved(setup: Setup, architectures: Sequence[Architecture], table: "pd.DataFrame") -> list[Constraint]:
    """The constraints, those on the costs in the table (a row for each of the architectures) with absolute bounds."""
    row = table.iloc[architectures.index(setup.space.largest())]
    largest = {str(name): float(value) for name, value in row.items()}
    return [c.resolve(largest) if c.metric in table else c for c in setup.constraints]
