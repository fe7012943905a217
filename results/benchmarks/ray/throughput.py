"""What a pool of Ray workers costs and gains: the same candidates in one process, on one and two workers, and in two
processes that share nothing.

Run from the repository root on a quiet machine with two cores:  python results/benchmarks/ray/throughput.py
Writes results/benchmarks/ray/throughput.csv and results/benchmarks/ray/throughput.md.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
import torch

from nas.costs import StaticCosts
from nas.data import load
from nas.distributed import EvaluationPool, connected
from nas.evaluation import SharedWeights, Trie
from nas.search import Ledger, MetricFunction, Objective, Pool, search
from nas.setup import resolve
from nas.setup.evaluator import evaluator_of
from nas.setup.libraries import versions
from nas.space import Architecture
from nas.supernet import Supernet

FOLDER = Path(__file__).parent
CONFIG = resolve({"space": "mobilenet", "data": "digits", "cpu_threads": 1}, "benchmark")
CANDIDATES = 200
BATCH = 25
ROUNDS = 3
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("flops", maximise=False)]


class Listed:
    """Proposes what it was given."""

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self.left = list(architectures)

    def ask(self, n: int) -> list[Architecture]:
        asked, self.left = self.left[:n], self.left[n:]
        return asked

    def tell(self, results: Sequence[object]) -> None:
        """Nothing to learn."""


def costs_of(supernet: Supernet) -> MetricFunction:
    """The static costs, as a run computes them; a new cache for each measurement."""
    data = load("digits")
    costs = StaticCosts(supernet, data.input_shape, data.input_dtype)
    return lambda architectures: pd.DataFrame([costs(each) for each in architectures])


def independent(pipe: Connection, architectures: list[Architecture]) -> None:
    """A process of its own: builds everything, then searches whenever it is told to."""
    here = Alone()
    pipe.send("ready")
    while pipe.recv() == "go":
        pipe.send(here.seconds(architectures))


class Alone:
    """An evaluator with its supernet in this process."""

    def __init__(self) -> None:
        self.evaluator: SharedWeights = evaluator_of(CONFIG)
        self.supernet = self.evaluator.supernet

    def seconds(self, architectures: Sequence[Architecture], evaluate: MetricFunction | Pool | None = None) -> float:
        """A whole search with a ledger and costs of its own, from the first question to the table."""
        with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "study.db", "s", OBJECTIVES) as ledger:
            costs = costs_of(self.supernet)
            started = time.perf_counter()
            table = search(
                self.supernet.space,
                evaluate or self.evaluator,
                Listed(architectures),
                objectives=OBJECTIVES,
                costs=costs,
                budget=len(architectures),
                batch=BATCH,
                ledger=ledger,
            )
            assert len(table) == len(architectures)
            return time.perf_counter() - started


def ready(pool: EvaluationPool) -> EvaluationPool:
    """Once all of its workers are."""
    while pool.free_slots < 2 * pool.workers:
        assert not pool.collect()
    return pool


def main() -> None:
    torch.set_num_threads(1)
    here = Alone()
    space = here.supernet.space
    candidates = list(dict.fromkeys(space.sample([0, number]) for number in range(2 * CANDIDATES)))[:CANDIDATES]
    make = partial(evaluator_of, CONFIG)
    context = multiprocessing.get_context("spawn")
    pipes = []
    for half in (candidates[::2], candidates[1::2]):
        ours, theirs = context.Pipe()
        context.Process(target=independent, args=(theirs, half), daemon=True).start()
        pipes.append(ours)
    assert [pipe.recv() for pipe in pipes] == ["ready", "ready"]
    rows = []
    with (
        connected(cpus=3),
        EvaluationPool(make, here.supernet, 1) as one,
        EvaluationPool(make, here.supernet, 2) as two,
    ):
        ready(one)
        ready(two)
        for _round in range(ROUNDS + 1):
            row = {"in this process": here.seconds(candidates), "1 worker": here.seconds(candidates, one)}
            for pipe in pipes:
                pipe.send("go")
            row["2 independent processes"] = max(pipe.recv() for pipe in pipes)
            row["2 workers"] = here.seconds(candidates, two)
            rows.append(row)
            print({name: round(value, 2) for name, value in row.items()}, flush=True)
        blocks = {
            "one batch of all": whole_blocks(here, candidates),
            f"batches of {BATCH} in this process": here.evaluator.blocks / (ROUNDS + 1),
            f"batches of {BATCH} on 2 workers": two.blocks / (ROUNDS + 1),
            "one candidate at a time": two.blocks_alone / (ROUNDS + 1),
        }
    for pipe in pipes:
        pipe.send("stop")
    write(pd.DataFrame(rows[1:]), blocks)


def whole_blocks(here: Alone, candidates: Sequence[Architecture]) -> float:
    """Blocks that are run for a batch of images when all candidates share one trie."""
    return Trie(here.supernet, candidates).blocks


def write(seconds: pd.DataFrame, blocks: dict[str, float]) -> None:
    seconds.to_csv(FOLDER / "throughput.csv", index=False)
    overhead = seconds["1 worker"] / seconds["in this process"] - 1
    gain = seconds["2 independent processes"] / seconds["2 workers"]
    speed = seconds["in this process"] / seconds["2 workers"]
    lines = [
        "# A pool of workers against processes that share nothing",
        "",
        f"{CANDIDATES} candidates of `mobilenet` on digits, {BATCH} in a batch, one thread a process, a ledger and static",
        f"costs as in a run; {len(seconds)} rounds in which all four ways take turns. Starting processes is not counted.",
        "Command: `python results/benchmarks/ray/throughput.py`, then this file.",
        "",
        "| way | seconds (median) | spread | candidates/s |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {values.median():.2f} | {values.min():.2f} to {values.max():.2f} | "
            f"{CANDIDATES / values.median():.0f} |"
            for name, values in seconds.items()
        ),
        "",
        f"- Throughput of two workers over that of two independent processes: **{gain.median():.2f}** "
        f"({gain.min():.2f} to {gain.max():.2f}); wanted 0.9.",
        f"- Overhead of one worker over this process, a candidate: **{overhead.median():.1%}** "
        f"({overhead.min():.1%} to {overhead.max():.1%}); wanted at most 10%.",
        f"- Two workers are {speed.median():.2f} times as fast as one process.",
        "",
        "Blocks of the network that are run for a batch of images (what splitting a population costs in sharing):",
        "",
        "| split | blocks | of one at a time |",
        "|---|---:|---:|",
        *(
            f"| {name} | {count:.0f} | {count / blocks['one candidate at a time']:.0%} |"
            for name, count in blocks.items()
        ),
        "",
        f"Versions: {', '.join(f'{name} {value}' for name, value in versions().items() if name in ('python', 'torch', 'ray'))}.",
    ]
    (FOLDER / "throughput.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
