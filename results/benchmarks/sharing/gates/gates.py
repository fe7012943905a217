"""Do regions that learn gates of their own find better cells of NAS-Bench-201 than one supernet that learns them?

Run from the repository root:  OMP_NUM_THREADS=1 python results/benchmarks/sharing/gates/gates.py
Reads cifar10/ and nasbench201/ from the folder named by NAS_SHARED_DATA (default: data in the current folder).
Each row of runs.csv is one search, less than a minute of one thread; one that is there is not run again. Writes README.md.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from gates_page import page

from nas.files import write_file
from nas.latency.budget import run_budget
from nas.setup import Setup, resolve
from nas.space import Architecture
from nas.training import RelaxedRegions, train_phases
from search_spaces.nasbench201 import NOTATION

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1]))
from kept_rows import ABOUT, KeptRows, about

DATA = Path(os.environ.get("NAS_SHARED_DATA", "data"))

BASES = ("darts", "proxyless")
SCHEMES = ("shared", "few-shot", "gradient-matching")
SEEDS = 3
IMAGES, EPOCHS = 4_000, 8
SETTINGS: dict[str, Any] = {
    "space": "nasbench201",
    "space_args": {"width": 8, "cells": 1},
    "data": "cifar10",
    "data_dir": str(DATA / "cifar10"),
    "image_size": 16,
    "training": {"batch_size": 64},
}
OWN: dict[str, dict[str, Any]] = {
    "proxyless": {"constraints": ["flops <= 100% of largest"]},
    "gradient-matching": {"sharing_args": {"repeats": 4}},
}
"""What a base or a scheme needs besides."""

COLUMNS = ("base", "scheme", "seed", "regions", "truth", "rank", "best_region", "derived", "cpu_seconds", *ABOUT)


def truth() -> dict[str, float]:
    """Architecture's key → published test accuracy on CIFAR-10 after 200 epochs, per cent."""
    path = DATA / "nasbench201" / "nb201.parquet"
    if not path.exists():
        sys.exit(f"{path} does not exist; set NAS_SHARED_DATA to the folder that holds nasbench201.")
    table = pd.read_parquet(path, columns=["arch", "cifar10_test_acc"])
    keys = [Architecture(NOTATION.parse(text)).key for text in table["arch"]]
    return dict(zip(keys, table["cifar10_test_acc"].tolist(), strict=True))


def setup_of(base: str, scheme: str, seed: int, images: int, epochs: int) -> Setup:
    """Of a search, built as the command line builds it."""
    method = base if scheme == "shared" else f"{scheme}:{base}"
    given = {**SETTINGS, **OWN.get(base, {}), **OWN.get(scheme, {}), "method": method, "seed": seed, "limit": images}
    training = {**SETTINGS["training"], "epochs": epochs}
    return Setup(resolve({**given, "training": training}, "gates.py"))


def row_of(setup: Setup, accuracies: Mapping[str, float]) -> dict[str, Any]:
    """What a search derives, looked up: the architecture that is delivered, and the best of all regions."""
    started = time.process_time()
    budget = run_budget(setup, None) if setup.method.needs_budget else None
    phases = setup.phases(budget)
    train_phases(phases, seed=setup.config.seed)
    step = phases[-1].step
    proposals = [setup.space.architecture(each) for each in step.proposals]
    regions = len(step.used) if isinstance(step, RelaxedRegions) else 1
    found = [accuracies[each.key] for each in proposals]
    return {
        "regions": regions,
        "truth": found[0],
        "rank": 1 + sum(value > found[0] for value in accuracies.values()),
        "best_region": max(found),
        "derived": proposals[0].key,
        "cpu_seconds": time.process_time() - started,
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--rows", type=Path, default=HERE / "runs.csv")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    accuracies = truth()
    rows = KeptRows(given.rows, ("base", "scheme", "seed"), COLUMNS)
    for seed in range(given.seeds):
        for base in BASES:
            for scheme in SCHEMES:
                row: dict[str, Any] = {"base": base, "scheme": scheme, "seed": seed}
                if row in rows:
                    continue
                setup = setup_of(base, scheme, seed, given.images, given.epochs)
                rows.add({**row, **row_of(setup, accuracies), **about("torch", "numpy")})
                print(f"{base} {scheme} {seed}", flush=True)
    write_file(given.rows.with_name("README.md"), page(pd.read_csv(given.rows), list(accuracies.values())))


if __name__ == "__main__":
    main()
