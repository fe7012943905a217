"""The winners, measured: what the search predicted counts only after the target confirmed it."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nas.errors import UsageError
from nas.hardware import LatencyCache, Recorded
from nas.latency.measuring import measure_with_largest, reference_level
from nas.latency.model import LatencyModel, frozen_level
from nas.search import nondominated_ranks, objective_values
from nas.setup.folder import RunFolder
from nas.setup.progress import ProgressTask
from nas.setup.run_setup import LATENCY, Setup
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Finalists", "measure_finalists"]

_ROUNDS = 8
_AT_LEAST = 8
_SECONDS_EACH = 0.6

Row = dict[str, Any]
Latencies = dict[str, tuple[float, float | None, str]]
"""Median, spread (None if unknown) and source by architecture id, in milliseconds."""


@dataclass(frozen=True)
class Finalists:
    """Measured rows, and ``latency_source`` of each.

    It is "measured" or "measured in PyTorch" now, "recorded" in a table or "predicted" beside it.

    Attributes:
        front: the Pareto front among candidates that satisfy every constraint as measured, best metric first.
        rows: all that were measured and satisfy every constraint.
        largest: the largest architecture, measured in the same session.
        measured: latency and spread (NaN if unknown) by architecture id, of all whose latency is not predicted.
    """

    front: list[Row]
    rows: list[Row]
    largest: Row
    measured: dict[str, tuple[float, float]]


def measure_finalists(
    setup: Setup,
    folder: RunFolder,
    candidates: "pd.DataFrame",
    largest: Row,
    task: ProgressTask,
    always: Collection[Architecture] = (),
) -> Finalists:
    """Measures the front and those next to it; those that violate a constraint are replaced, in bounded rounds.

    Every network is measured in turn with the largest one and told at one speed of the machine: that of the profile
    stage, if there was one. What an interrupted run measured is kept and used. Where the target is a table, what is not
    in it keeps its predicted latency, and the predictor's mean error as its spread.

    Args:
        candidates: the table of the search.
        largest: metrics and costs of the largest architecture.
        always: candidates that are measured wherever they stand.

    Raises:
        UsageError: no candidate satisfies the constraints as measured.
    """
    rows = [cast(Row, row) for row in candidates[candidates["feasible"]].to_dict("records")]
    cache, named = LatencyCache(folder.finalists), {each.id for each in always}
    everything = [*rows, largest]
    measured = _measured(setup, folder, cache, everything)
    largest = _with_latency(largest, measured)
    rows = _confirmed(setup, rows, largest, measured)
    for _ in range(_ROUNDS):
        ranked = _by_rank(setup, rows)
        front = [row for row, rank in ranked if rank == 0][: setup.config.finalists]
        needed = [*front, *(row for row, _ in ranked if row["id"] in named and row not in front)]
        if largest["id"] in measured and all(row["id"] in measured for row in needed):
            break
        near = ranked[: setup.config.finalists or _AT_LEAST]
        next_to_it = [row for row, rank in near if rank > 0 and row["id"] not in named]
        wanted = [*needed, *next_to_it]
        wanted = [*(row for row in wanted if row["id"] not in measured), largest]
        if setup.is_recorded:
            measured |= _recalled(setup, folder, wanted)
        else:
            _measure(setup, cache, wanted)
            measured = _measured(setup, folder, cache, everything)
        task.update(sum(row["id"] in measured for row in everything[:-1]))
        largest = _with_latency(largest, measured)
        rows = _confirmed(setup, rows, largest, measured)
    front = [row for row, rank in _by_rank(setup, [row for row in rows if row["id"] in measured]) if rank == 0]
    if not front:
        raise UsageError(
            f"no candidate satisfies {' and '.join(map(str, setup.constraints))} when measured on "
            f"{setup.target.name}; loosen the constraint or search more candidates."
        )
    score = setup.objectives[0]
    front.sort(key=lambda row: (score.value(row), row[setup.cost], row["id"]))
    real = {name: found for name, found in measured.items() if found[2] != "predicted"}
    front = front[: setup.config.finalists]
    spreads = {name: (ms, math.nan if sd is None else sd) for name, (ms, sd, _) in real.items()}
    known = [row for row in rows if row["id"] in measured]
    return Finalists(front, known, largest, spreads)


def _by_rank(setup: Setup, rows: Sequence[Row]) -> list[tuple[Row, int]]:
    """The rows with their Pareto rank, the front (rank 0) first, within a rank the best metric first."""
    vectors = [(row, objective_values(setup.objectives, row)) for row in rows]
    finite = [(row, vector) for row, vector in vectors if vector is not None]
    if not finite:
        return []
    points = np.array([vector for _, vector in finite])
    ranked = zip((row for row, _ in finite), map(int, nondominated_ranks(points)), points.tolist(), strict=True)
    return [(row, rank) for row, rank, _ in sorted(ranked, key=lambda entry: (entry[1], entry[2], entry[0]["id"]))]


def _measured(setup: Setup, folder: RunFolder, cache: LatencyCache, rows: Sequence[Row]) -> Latencies:
    """What was measured of these rows so far, at one speed of the machine."""
    known = {row["id"]: cache.get(row["architecture"], *_conditions(setup)) for row in rows}
    found = {name: measurement for name, measurement in known.items() if measurement is not None}
    if not found:
        return {}
    level = frozen_level(folder) or reference_level(found.values())
    at_level = {name: measurement.at(level) for name, measurement in found.items()}
    assert not isinstance(setup.target, Recorded)
    source = setup.target.latency_source
    return {name: (each.latency_ms, each.spread_ms, source) for name, each in at_level.items()}


def _measure(setup: Setup, cache: LatencyCache, rows: Sequence[Row]) -> None:
    architectures = {row["architecture"]: Architecture.from_json(row["architecture"]) for row in rows}
    networks = {key: (each, setup.supernet.extract(each)) for key, each in architectures.items()}
    for key, found in measure_with_largest(setup, networks, _SECONDS_EACH * len(networks)).items():
        cache.add(key, *_conditions(setup), found)


def _recalled(setup: Setup, folder: RunFolder, rows: Sequence[Row]) -> Latencies:
    """What the table or the predictor says."""
    model = LatencyModel.load(folder.predictor, setup)
    return {row["id"]: model.recall(Architecture.from_json(row["architecture"])) for row in rows}


def _conditions(setup: Setup) -> tuple[str, tuple[int, ...]]:
    return setup.target.fingerprint(), setup.data.input_shape


def _confirmed(setup: Setup, rows: Sequence[Row], largest: Row, measured: Latencies) -> list[Row]:
    """The rows with what was measured of them, without those that break a constraint as measured."""
    if largest["id"] not in measured:
        return list(rows)
    bounds = [constraint.resolve(largest) for constraint in setup.constraints]
    rows = [_with_latency(row, measured) for row in rows]
    return [row for row in rows if row["id"] not in measured or not any(bound.violation(row) for bound in bounds)]


def _with_latency(row: Row, measured: Latencies) -> Row:
    if row["id"] not in measured:
        return row
    latency, spread, source = measured[row["id"]]
    return {**row, LATENCY: latency, "latency_spread_ms": spread, "latency_source": source}
