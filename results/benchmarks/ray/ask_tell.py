"""What asking, claiming, recording and telling cost a candidate, against the number of results in the ledger.

Run from the repository root on a quiet machine:  python results/benchmarks/ray/ask_tell.py [DATABASE-URL]
Writes results/benchmarks/ray/ask_tell.csv and results/benchmarks/ray/ask_tell.md. In the database, if one is given, it makes a study whose
name begins with "ask_tell".
"""

import os
import platform
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import sqlalchemy

import nas
from nas.search import Entry, Ledger, Objective, Result, ResultIdentity, ResultKey, Strategy, make_strategy
from nas.space import Architecture
from search_spaces.mobilenet import mobilenet

FOLDER = Path(__file__).parent
STRATEGIES = ["random", "evolution", "nsga2"]
SIZES = [100, 1_000, 10_000]
BATCH = 25
ROUNDS = 8
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("latency_ms", maximise=False)]
SPACE = nas.Supernet(mobilenet((1, 8, 8), 10)).space
STEPS = ["ask", "claim", "extend", "tell"]
RNG = np.random.default_rng(0)


def made_up(architecture: Architecture) -> Result:
    accuracy, latency = map(float, RNG.random(2))
    return Result(architecture, {"accuracy": accuracy, "latency_ms": latency}, (-accuracy, latency), 0.0)


def fill(ledger: Ledger, size: int) -> None:
    """Adds results, of nobody's asking, until there are so many."""
    while (count := len(ledger)) < size:
        results = [made_up(SPACE.sample(RNG)) for _ in range(BATCH)]
        ledger.extend(
            Entry(
                ResultKey(each.architecture.key, ResultIdentity(seed=count + number)), each.architecture, each.metrics
            )
            for number, each in enumerate(results)
        )


def teach(searcher: Strategy, told: int, size: int) -> None:
    """Asks and tells until the strategy knows so many results, of which it knows some."""
    for _ in range(told, size, BATCH):
        searcher.tell([made_up(architecture) for architecture in searcher.ask(BATCH)])


def batch(searcher: Strategy, ledger: Ledger, evaluator: str) -> list[float]:
    """Milliseconds a candidate for each step, by the clock on the wall, then for all by the processor's."""
    processor = time.process_time()
    times = [time.perf_counter()]
    asked = searcher.ask(BATCH)
    times.append(time.perf_counter())
    keys = [ResultKey(architecture.key, ResultIdentity(evaluator)) for architecture in asked]
    ledger.refresh()
    assert ledger.claim(keys) == set(keys)
    times.append(time.perf_counter())
    results = [made_up(architecture) for architecture in asked]
    ledger.extend(Entry(key, each.architecture, each.metrics) for key, each in zip(keys, results, strict=True))
    times.append(time.perf_counter())
    searcher.tell(results)
    times.append(time.perf_counter())
    spent = [after - before for before, after in pairwise(times)]
    return [1e3 * seconds / len(asked) for seconds in (*spent, time.process_time() - processor)]


def measure(database: str, storage: str) -> Iterator[dict[str, object]]:
    """A row for each size and strategy."""
    searchers = {name: make_strategy(name, SPACE, 0) for name in STRATEGIES}
    with Ledger(storage, f"ask_tell {uuid.uuid4().hex}", OBJECTIVES) as ledger:
        told = 0
        for size in SIZES:
            fill(ledger, size)
            for name, searcher in searchers.items():
                teach(searcher, told, size)
                rounds = [batch(searcher, ledger, name) for _ in range(ROUNDS)]
                medians = map(statistics.median, zip(*rounds, strict=True))
                totals = [sum(each[:-1]) for each in rounds]
                row = {"database": database, "strategy": name, "results": size}
                row |= dict(zip([*STEPS, "processor"], medians, strict=True))
                row |= {"total": statistics.median(totals), "total_max": max(totals)}
                print(row, flush=True)
                yield row
            told = size + ROUNDS * BATCH


def table_of(rows: pd.DataFrame) -> list[str]:
    """As Markdown."""
    heads = ["database", "strategy", "results", *STEPS, "total (slowest batch)", "of which this processor"]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for row in rows.to_dict("records"):
        steps = " | ".join(f"{row[step]:.2f}" for step in STEPS)
        totals = f"{row['total']:.1f} ({row['total_max']:.1f}) | {row['processor']:.1f}"
        lines.append(f"| {row['database']} | {row['strategy']} | {row['results']:,} | {steps} | {totals} |")
    return lines


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        databases = {"sqlite": str(Path(folder) / "study.db"), **{url.partition(":")[0]: url for url in sys.argv[1:]}}
        rows = pd.DataFrame([row for database, place in databases.items() for row in measure(database, place)])
    rows.to_csv(FOLDER / "ask_tell.csv", index=False, float_format="%.4g")
    lines = table_of(rows)
    versions = f"optuna {optuna.__version__}, SQLAlchemy {sqlalchemy.__version__}, Python {platform.python_version()}"
    (FOLDER / "ask_tell.md").write_text(
        "# What asking and telling costs a candidate\n\n"
        f"Milliseconds a candidate in batches of {BATCH}: `ask` the strategy, `claim` (after a refresh), `extend` the "
        f"ledger, `tell` the strategy; median of {ROUNDS} batches, and the slowest of them. Mobilenet's space of "
        f"{len(SPACE.choices)} choices, two objectives, made-up results, as many in the ledger as told to the strategy. "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[2]:.1f}, {versions}. The limit is 20 ms.\n\n"
        + "\n".join(lines)
        + f"\n\nCommand: `python results/benchmarks/ray/ask_tell.py{' DATABASE-URL' * (len(databases) > 1)}`\n"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
