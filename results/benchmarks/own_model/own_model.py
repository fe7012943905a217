"""How good is a network that somebody has trained once it has to be faster?

Run from the repository root; rows that are there are not computed again, so the command goes on where it was stopped:

    nice python results/benchmarks/own_model/own_model.py --data-dir DATA/fashion_mnist
    python results/benchmarks/own_model/table.py

Each row is a process of its own with one thread. The arms "fresh" take the network that "pruning" found.
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

from arms import ARMS
from contest import Cell
from networks import NETWORKS

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from kept_rows import KeptRows, about

KEY = [field.name for field in dataclasses.fields(Cell)]
FIGURES = ["test", "test_low", "test_high", "dense_test", "latency_ms", "dense_ms", "latency_share", "cpu_seconds"]
COLUMNS = [*KEY, *FIGURES, "params", "flops", "details", "versions"]


def cells(asked: argparse.Namespace) -> Iterator[Cell]:
    """All that is asked for, the arms of one network, share and seed one after the other."""
    for seed, share, network, arm in itertools.product(asked.seeds, asked.shares, asked.networks, asked.arms):
        if arm == "torch-pruning" and importlib.util.find_spec("torch_pruning") is None:
            print("skipped: torch-pruning is not installed", flush=True)
            continue
        yield Cell(network, share, asked.before, asked.after, asked.limit, arm, seed)


def row_of(cell: Cell, asked: argparse.Namespace) -> dict[str, Any] | None:
    """Computes a row in a process of its own; none where that fails, which is said."""
    words = [sys.executable, str(HERE / "one_cell.py"), json.dumps(dataclasses.asdict(cell))]
    words += ["--data-dir", str(asked.data_dir), "--work", str(asked.work)]
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONPATH": path}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        print(f"failed: {cell}: {done.stderr.strip()[-1500:]}", flush=True)
        return None
    return {
        **dataclasses.asdict(cell),
        **json.loads(done.stdout.splitlines()[-1]),
        "versions": about("nas-supernet", "torch", "torch-pruning")["versions"],
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="with the four idx files of Fashion-MNIST")
    parser.add_argument("--before", type=float, default=60, help="CPU seconds of the training before")
    parser.add_argument("--after", type=float, default=60, help="CPU seconds of each arm")
    parser.add_argument("--limit", type=int, default=5000, help="training images")
    parser.add_argument("--shares", type=int, nargs="+", default=[50, 75, 35], help="per cent of the measured latency")
    parser.add_argument("--networks", nargs="+", choices=[*NETWORKS], default=[*NETWORKS])
    parser.add_argument("--arms", nargs="+", choices=[*ARMS], default=[*ARMS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=Path, default=HERE / "rows.csv", help="where rows are kept")
    parser.add_argument("--work", type=Path, default=HERE / "checkpoints", help="where pretrained networks are kept")
    asked = parser.parse_args(words)
    rows = KeptRows(asked.rows, KEY, COLUMNS)
    for cell in cells(asked):
        if dataclasses.asdict(cell) in rows:
            continue
        row = row_of(cell, asked)
        if row is not None:
            rows.add(row)
            print(f"{cell}: {row['test']:.4f} at {row['latency_share']:.3f} in {row['cpu_seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
