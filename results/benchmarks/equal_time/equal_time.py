"""Which network does a person get for so many CPU seconds, by `nas` and by what they would do without it?

Run from the repository root; rows that are there are not computed again, so the command goes on where it was stopped:

    nice python results/benchmarks/equal_time/equal_time.py --data-dir DATA --budgets 60
    python results/benchmarks/equal_time/table.py

Each row is a process of its own with one thread; the four of the arm "sweep" are one. The data folder has a folder for each data set (fashion_mnist,
cifar10, tinyshakespeare); those that are missing are skipped.
"""

import argparse
import dataclasses
import importlib.util
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contests import CONTESTS, SWEPT, Cell
from one_cell import ARMS
from spread import DRAWS

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from kept_rows import ABOUT, KeptRows, about

KEY = [field.name for field in dataclasses.fields(Cell)]
COLUMNS = [
    *KEY,
    "metric",
    "test",
    "test_low",
    "test_high",
    "validation",
    "flops_share",
    "cpu_seconds",
    "reference_ms",
    "architecture",
    "details",
    *ABOUT,
]


def cells(asked: argparse.Namespace) -> Iterator[Cell]:
    """All that is asked for, in the order in which it is computed: the arms of a seed one after the other."""
    for budget, bound, task in itertools.product(asked.budgets, asked.bounds, asked.tasks):
        arms = [arm for arm in asked.arms if is_possible(task, arm, asked.data_dir)]
        if bound != SWEPT[0] and "sweep" in arms:
            arms.remove("sweep")
        if "spread" in arms:
            yield from (Cell(task, bound, budget, "spread", 0, draw) for draw in range(DRAWS))
        for seed, arm in itertools.product(asked.seeds, arms):
            if arm != "spread":
                yield Cell(task, bound, budget, arm, seed)


def is_possible(task: str, arm: str, data_dir: Path | None) -> bool:
    """Whether a cell can be computed here; says so where not."""
    reason = obstacle(task, arm, data_dir)
    if reason is not None:
        print(f"skipped: {task}, {arm}: {reason}", flush=True)
    return reason is None


def obstacle(task: str, arm: str, data_dir: Path | None) -> str | None:
    """Why a cell cannot be computed here."""
    folder = CONTESTS[task].folder
    if folder is not None and (data_dir is None or not (data_dir / folder).exists()):
        return f"there is no folder '{folder}' in --data-dir"
    if arm == "nni" and importlib.util.find_spec("nni") is None:
        return "NNI is not installed"
    if arm in ("engine", "sweep") and not has_cpu_time():
        return "this version of nas search has no --cpu-time"
    return None


def has_cpu_time() -> bool:
    from nas.setup import RunConfig

    return "cpu_time" in RunConfig.model_fields


def rows_of(cell: Cell, data_dir: Path | None) -> list[dict[str, Any]]:
    """Computes a row, or those of a sweep, in a process of its own; none where that fails, which is said."""
    words = [sys.executable, str(HERE / "one_cell.py"), json.dumps(dataclasses.asdict(cell))]
    words += ["--data-dir", str(data_dir)] if data_dir is not None else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        print(f"failed: {cell}: {done.stderr.strip()[-2000:]}", flush=True)
        return []
    made_by = about("nas-supernet", "torch", "optuna", "nni")
    return [{**dataclasses.asdict(cell), **row, **made_by} for row in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--budgets", type=float, nargs="+", default=[60], help="CPU seconds")
    parser.add_argument("--bounds", type=int, nargs="+", default=[50, 25], help="per cent of the largest FLOPs")
    parser.add_argument("--tasks", nargs="+", choices=[*CONTESTS], default=[*CONTESTS])
    parser.add_argument("--arms", nargs="+", choices=[*ARMS], default=[*ARMS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=Path, default=HERE / "rows.csv", help="where rows are kept")
    asked = parser.parse_args()
    rows = KeptRows(asked.rows, KEY, COLUMNS)
    for cell in cells(asked):
        if dataclasses.asdict(cell) in rows:
            continue
        for row in rows_of(cell, asked.data_dir):
            rows.add(row)
            print(f"{cell}: {row['metric']} {row['test']:.4f} in {row['cpu_seconds']:.1f} s", flush=True)


if __name__ == "__main__":
    main()
