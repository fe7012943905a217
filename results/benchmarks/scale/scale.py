"""How far does a search scale? Costs measured on this machine, a model of 1 to 1,024 workers, and points to check it.

Run from the repository root on a quiet machine:  python results/benchmarks/scale/scale.py
Writes results/benchmarks/scale/scale.csv, results/benchmarks/scale/points.csv and results/benchmarks/scale/README.md.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from nas.costs import StaticCosts
from nas.distributed import EvaluationPool, connected
from nas.search import Ledger, Objective, make_strategy, search
from nas.setup import resolve
from nas.setup.evaluator import evaluator_of
from nas.setup.libraries import versions
from nas.space import Architecture, Space

FOLDER = Path(__file__).parent
CONFIG = resolve({"space": "mobilenet", "data": "digits", "cpu_threads": 1}, "benchmark")
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("flops", maximise=False)]
BATCH = 5
AHEAD = 4
"""Batches that are asked for before the first begins."""
PAUSE = 0.2
"""Seconds that a candidate takes where the model is checked; asleep, so that many workers fit on two cores."""
POINTS = (1, 2, 4, 8, 16)
WORKERS = tuple(2**power for power in range(11))
SIZES = (100, 1_000, 10_000)
CANDIDATES_EACH = 20
NETWORK = 1.25e9
"""Bytes a second between machines: 10 Gbit/s, assumed."""
PER_MACHINE = 8


class Asleep:
    """Takes its time and no processor."""

    blocks = blocks_alone = 0

    def __init__(self) -> None:
        self.supernet = nn.Linear(1, 1)

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        time.sleep(PAUSE * len(architectures))
        return at_once(architectures)


def at_once(architectures: Sequence[Architecture]) -> pd.DataFrame:
    """Some accuracy, for nothing."""
    return pd.DataFrame({"accuracy": [int(each.id, 16) % 997 / 997 for each in architectures]})


@dataclass(frozen=True)
class Costs:
    """Seconds, measured.

    Attributes:
        evaluation: of a candidate on one worker.
        driver: of a candidate in the process that asks, screens, claims, records and tells, by size of the ledger.
        per_batch: of a batch on its way to a worker and back.
        start: of a worker until it is ready, given the processor to itself.
        store: of a byte put into the object store, and read there.
    """

    evaluation: float
    driver: dict[int, float]
    per_batch: float
    start: float
    store: float


@contextmanager
def ledger() -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "study.db", "s", OBJECTIVES) as opened:
        yield opened


def driver_seconds(space: Space, costs: Any) -> dict[int, float]:
    """Seconds a candidate of all that a search does beside evaluating, around some sizes of its ledger."""
    moments: list[float] = []
    with ledger() as opened:
        search(
            space, at_once, make_strategy("random", space), objectives=OBJECTIVES, costs=costs, budget=SIZES[-1] + 250,
            ledger=opened, on_result=lambda result: moments.append(time.perf_counter()),
        )  # fmt: skip
    return {size: (moments[size + 249] - moments[size - 1]) / 250 for size in SIZES}


def measured_costs() -> tuple[Costs, int]:
    """The costs, and the bytes of the supernet."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    evaluator = evaluator_of(CONFIG)
    start = time.perf_counter() - started
    space, data = evaluator.supernet.space, evaluator.data
    architectures = [space.sample([0, number]) for number in range(10 * BATCH)]
    evaluator(architectures[:BATCH])
    started = time.perf_counter()
    for first in range(0, len(architectures), BATCH):
        evaluator(architectures[first : first + BATCH])
    evaluation = (time.perf_counter() - started) / len(architectures)
    static = StaticCosts(evaluator.supernet, data.input_shape, data.input_dtype)
    driver = driver_seconds(space, lambda asked: pd.DataFrame([static(each) for each in asked]))
    with connected(cpus=1) as ray:
        block = torch.zeros(2**26).numpy()
        started = time.perf_counter()
        ray.get(ray.put(block)).sum()
        store = (time.perf_counter() - started) / block.nbytes
        with EvaluationPool(partial(evaluator_of, CONFIG), evaluator.supernet, 1) as pool:
            while not pool.free_slots:
                pool.collect()
            one = architectures[:1]
            alone = min(timed(lambda: evaluator(one)) for _ in range(20))
            travelled = min(timed(lambda: (pool.submit(one), collected(pool))) for _ in range(20))
    size = sum(each.numel() * each.element_size() for each in evaluator.supernet.parameters())
    return Costs(evaluation, driver, max(0.0, travelled - alone), start, store), size


def collected(pool: EvaluationPool) -> None:
    while not pool.collect():
        pass


def timed(action: Any) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def model(costs: Costs, workers: int, evaluation: float, size: int, candidates: int) -> dict[str, Any]:
    """Seconds of a search, and what takes most of them.

    Workers evaluate side by side; the driver handles one candidate after the other; before that every machine gets the
    weights, one after the other from the driver's, and starts its workers.
    """
    machines = -(-workers // PER_MACHINE)
    batches = -(-candidates // BATCH)
    rounds = -(-batches // workers)
    ledger_size = min(SIZES, key=lambda each: abs(each - candidates))
    parts = {
        "workers": rounds * (BATCH * evaluation + costs.per_batch),
        "driver": candidates * costs.driver[ledger_size],
        "broadcast": size * costs.store + (machines - 1) * size / NETWORK,
    }
    driver = costs.driver[ledger_size]
    steady = max(parts["workers"] + min(candidates, AHEAD * BATCH) * driver, parts["driver"] + BATCH * evaluation)
    seconds = steady + parts["broadcast"]
    return {
        "workers": workers,
        "seconds": seconds,
        "efficiency": candidates * evaluation / (workers * seconds),
        "bottleneck": max(parts, key=lambda name: parts[name]),
    }


def points(costs: Costs, space: Space, static: Any) -> pd.DataFrame:
    """Searches with workers that sleep, timed from when all are ready."""
    rows = []
    with connected(cpus=max(POINTS)):
        for workers in POINTS:
            candidates = CANDIDATES_EACH * workers
            with EvaluationPool(Asleep, nn.Linear(1, 1), workers) as pool, ledger() as opened:
                while pool.free_slots < 2 * workers:
                    pool.collect()
                started = time.perf_counter()
                search(
                    space, pool, make_strategy("random", space), objectives=OBJECTIVES, costs=static, budget=candidates,
                    batch=BATCH, ledger=opened,
                )  # fmt: skip
                seconds = time.perf_counter() - started
            expected = model(costs, workers, PAUSE, 0, candidates)
            rows.append(
                {
                    "workers": workers,
                    "candidates": candidates,
                    "seconds": seconds,
                    "expected": expected["seconds"],
                    "efficiency": candidates * PAUSE / (workers * seconds),
                    "expected efficiency": expected["efficiency"],
                }
            )
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    costs, size = measured_costs()
    print(costs, size, flush=True)
    evaluator = evaluator_of(CONFIG)
    static = StaticCosts(evaluator.supernet, evaluator.data.input_shape, evaluator.data.input_dtype)
    checked = points(costs, evaluator.supernet.space, lambda asked: pd.DataFrame([static(each) for each in asked]))
    cases = [
        ("mobilenet on digits", costs.evaluation, size, 1_000),
        ("mobilenet on digits", costs.evaluation, size, 10_000),
        ("1 s a candidate, 100 MB of weights", 1.0, 10**8, 10_000),
        ("30 s a candidate, 4 GB of weights", 30.0, 4 * 10**9, 10_000),
    ]
    rows = [
        {"search": f"{name}, {candidates:,} candidates", **model(costs, workers, evaluation, bytes_, candidates)}
        for name, evaluation, bytes_, candidates in cases
        for workers in WORKERS
    ]
    write(costs, size, checked, pd.DataFrame(rows))


def write(costs: Costs, size: int, checked: pd.DataFrame, modelled: pd.DataFrame) -> None:
    checked.to_csv(FOLDER / "points.csv", index=False)
    modelled.to_csv(FOLDER / "scale.csv", index=False)
    wide = modelled.assign(cell=[f"{row.efficiency:.0%} ({row.bottleneck})" for row in modelled.itertuples()])
    wide = wide.pivot(index="workers", columns="search", values="cell")[list(dict.fromkeys(modelled["search"]))]
    driver = ", ".join(f"{1000 * seconds:.1f} ms at {size_:,}" for size_, seconds in costs.driver.items())
    lines = [
        "# How far a search scales",
        "",
        "Command: `python results/benchmarks/scale/scale.py`. One driver process; 8 workers a machine, 10 Gbit/s between machines and",
        f"batches of {BATCH} are assumed, everything else is measured here.",
        "",
        f"- evaluation of a `mobilenet` candidate on digits: {1000 * costs.evaluation:.1f} ms on one thread",
        f"- the driver (ask, static costs, claim, record, tell; `random`, SQLite), a candidate: {driver} results",
        f"- a batch on its way to a worker and back: {1000 * costs.per_batch:.1f} ms",
        f"- a worker until it is ready: {costs.start:.1f} s and its process (not counted below: once a search)",
        f"- weights: {size / 2**20:.2f} MiB; a GiB into the object store and read there takes {costs.store * 2**30:.2f} s",
        "",
        f"## The model against measured points (candidates of {PAUSE} s, asleep, on two cores)",
        "",
        "| workers | candidates | seconds | expected | efficiency | expected |",
        "|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {row[0]} | {row[1]} | {row[2]:.2f} | {row[3]:.2f} | {row[4]:.0%} | {row[5]:.0%} |"
            for row in checked.itertuples(index=False)
        ),
        "",
        "Where measured points are lower, the model lacks what is particular to this machine: all workers share two cores",
        "with the driver.",
        "",
        "## Efficiency (and what bounds it)",
        "",
        "| workers | " + " | ".join(wide.columns) + " |",
        "|---:|" + "---:|" * len(wide.columns),
        *(f"| {workers:,} | " + " | ".join(row) + " |" for workers, row in zip(wide.index, wide.values, strict=True)),
        "",
        "`workers`: they are what takes the time, as they should; lost is what an incomplete last round leaves idle.",
        "`driver`: one process cannot ask and record faster. `broadcast`: the weights leave the driver's machine one",
        "machine at a time.",
        "",
        f"Versions: {', '.join(f'{name} {value}' for name, value in versions().items() if name in ('python', 'torch', 'ray'))}.",
    ]
    (FOLDER / "README.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
