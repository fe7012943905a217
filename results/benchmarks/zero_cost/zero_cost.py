"""Do our zero-cost proxies rank networks of NAS-Bench-201 as published ones, and better than size does?

Random architectures among those with published proxies (NASLib), as published: 16 channels, five cells a stage, one batch
of CIFAR-10, fresh weights. Rows are kept in ``rows.csv``, so a stopped run goes on; without the tables it prints what the
rows say::

    python results/benchmarks/zero_cost/zero_cost.py --tables FOLDER --data-dir CIFAR10 --count 60
    python results/benchmarks/zero_cost/zero_cost.py

FOLDER holds ``nb201.parquet`` (``idx``, ``arch``, ``cifar10_test_acc``, ``cifar10_zen``) and
``nb201_zero_cost_proxies.parquet`` (``dataset``, ``idx`` and a column for each proxy).
"""

import argparse
import math
import sys
from pathlib import Path

import pandas as pd
import torch

import nas
from nas.evaluation.ranking import equal_cost, tau, tau_within_strata
from nas.evaluation.zero_cost import PROXIES, ZeroCost
from nas.problem import Problem
from search_spaces.nasbench201 import NOTATION, nasbench201

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from kept_rows import ABOUT, KeptRows, about

PUBLISHED = {
    "params": "params", "flops": "flops", "grad-norm": "grad_norm", "snip": "snip", "grasp": "grasp",
    "synflow": "synflow", "jacob-cov": "jacov", "naswot": "nwot", "zen": "cifar10_zen",
}  # fmt: skip
"""Ours → the column of the tables; of the others none is published for this space."""
COLUMNS = ("seed", "idx", "accuracy", *PROXIES, *(f"published {name}" for name in PUBLISHED), *ABOUT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=32)
    given = parser.parse_args()
    if given.tables is not None:
        measure(given.tables, given.data_dir, given.count, given.images, given.seed)
    print(summary(pd.read_csv(HERE / "rows.csv")))


def measure(tables: Path, data_dir: Path, count: int, images: int, seed: int) -> None:
    """Adds the rows that are not there yet."""
    torch.set_num_threads(1)
    kept = KeptRows(HERE / "rows.csv", ["seed", "idx"], COLUMNS)
    problem = Problem(nas.Supernet(nasbench201()), nas.data.load("cifar10", data_dir, limit=2000), seed)
    evaluators = {name: ZeroCost(problem, name, images) for name in PROXIES}
    for row in chosen(tables, count).to_dict("records"):
        key = {"seed": seed, "idx": row["idx"]}
        if key in kept:
            continue
        architecture = problem.space.architecture(NOTATION.parse(row["arch"]))
        scores = {name: evaluator.score(architecture) for name, evaluator in evaluators.items()}
        published = {f"published {name}": row[column] for name, column in PUBLISHED.items()}
        row_of_ours = {**key, "accuracy": row["cifar10_test_acc"], **scores, **published}
        kept.add({**row_of_ours, **about("nas-supernet", "torch")})


def chosen(tables: Path, count: int) -> pd.DataFrame:
    """Random architectures of which all proxies are published."""
    proxies = pd.read_parquet(tables / "nb201_zero_cost_proxies.parquet")
    known = proxies[(proxies["dataset"] == "cifar10") & proxies["nwot"].notna()]
    networks = pd.read_parquet(tables / "nb201.parquet")
    return known.merge(networks, on="idx").sample(count, random_state=0)


def summary(rows: pd.DataFrame) -> str:
    """A table in Markdown: agreement with what is published, with ourselves from other weights, and with the accuracy."""
    first, second = (rows[rows["seed"] == seed] for seed in (0, 1))
    both = first.merge(second, on="idx", suffixes=("", " again"))
    lines = [
        "| proxy | Spearman: published | our other seed | tau: accuracy | at equal size |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in PROXIES:
        finite = first[first[name].map(math.isfinite)]
        truth, strata = finite["accuracy"], equal_cost(finite["params"]).labels
        figures = [
            spearman(first, name, f"published {name}") if name in PUBLISHED else "-",
            spearman(both, name, f"{name} again"),
            f"{tau(finite[name], truth):.2f}",
            f"{tau_within_strata(finite[name], truth, strata):.2f}",
        ]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join([f"{len(first)} architectures, {len(both)} of them from two seeds.", "", *lines])


def spearman(rows: pd.DataFrame, name: str, other: str) -> str:
    """Of two columns, where both have a value."""
    pairs = rows[[name, other]]
    pairs = pairs[pairs.map(math.isfinite).all(axis=1)]
    return f"{pairs.corr('spearman').iloc[0, 1]:.3f}"


if __name__ == "__main__":
    main()
