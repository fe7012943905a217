"""Computes a row in a process of its own, so that its CPU time is that of the arm; the driver runs it.

The last line that it prints is the row as JSON, in a list: the arm "sweep" has a row for each of its bounds.
"""

import argparse
import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from contests import SWEPT, Cell, Delivered, Problem

__all__ = ["ARMS"]

ARMS = {
    "spread": "spread:deliver",
    "uniform": "uniform:deliver",
    "asha-random": "asha:by_random",
    "asha-tpe": "asha:by_tpe",
    "random": "random_alone:deliver",
    "nni": "nni_oneshot:deliver",
    "engine": "engine:deliver",
    "sweep": "engine:sweep",
}


def rows_of(cell: Cell, data_dir: Path | None) -> list[dict[str, Any]]:
    """Runs the arm and evaluates what it delivers; the test split is read here, once, after the time has ended."""
    module, _, function = ARMS[cell.arm].partition(":")
    arm = importlib.import_module(module)
    deliver: Callable[[Problem], Delivered | list[Delivered]] = getattr(arm, function)
    Problem.warm()
    if hasattr(arm, "before"):
        arm.before()
    before = reference_ms()
    problem = Problem(cell, data_dir)
    delivered = deliver(problem)
    reference = {"reference_ms": (before + reference_ms()) / 2}
    if isinstance(delivered, list):
        pairs = zip(SWEPT, delivered, strict=True)
        return [{"bound": bound, **row_of(each, problem), **reference} for bound, each in pairs]
    return [{**row_of(delivered, problem), **reference}]


def row_of(delivered: Delivered, problem: Problem) -> dict[str, Any]:
    metric = problem.data.task.metric.name
    if delivered.network is None:
        assert delivered.figures is not None
        figures = dict(delivered.figures)
    else:
        delivered.network.eval()
        test = problem.figures(delivered.network, problem.data.test)
        figures = {"test": test[metric], "test_low": test[f"{metric}_low"], "test_high": test[f"{metric}_high"]}
        figures["validation"] = problem.figures(delivered.network, problem.data.validation)[metric]
    return {
        "metric": metric,
        **figures,
        "flops_share": delivered.flops / problem.largest_flops,
        "cpu_seconds": delivered.seconds,
        "architecture": delivered.architecture,
        "details": json.dumps(dict(delivered.details)),
    }


def reference_ms(repeats: int = 30) -> float:
    """CPU milliseconds of a fixed piece of work, by which rows from a busy machine are told."""
    layer, x = torch.nn.Conv2d(32, 32, 3, padding=1), torch.zeros(32, 32, 16, 16)
    layer(x).sum().backward()
    started = time.process_time()
    for _ in range(repeats):
        layer(x).sum().backward()
    return 1000 * (time.process_time() - started) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cell", type=json.loads)
    parser.add_argument("--data-dir", type=Path)
    asked = parser.parse_args()
    print(json.dumps(rows_of(Cell(**asked.cell), asked.data_dir)), flush=True)


if __name__ == "__main__":
    main()
