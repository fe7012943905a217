"""The first command, ten times: is the chosen network better than luck and than scaling one network's widths?

Run from the repository root, one process for each seed, then once more for the tables:

    for seed in 0 1 2 3 4 5 6 7 8 9; do python results/benchmarks/first_run/first_run.py --seed $seed --runs RUNS; done
    python results/benchmarks/first_run/first_run.py --tables

Each seed writes results/benchmarks/first_run/seeds/<seed>.json; a search that was interrupted begins again. Time is that of the
processor, one thread each, so that other work on the machine favours nobody.
"""

import argparse
import json
import math
import shutil
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from torch import nn

import nas
from nas.delivery.networks import restore_trained
from nas.latency.measuring import measure_with_largest
from nas.nn import initialise
from nas.runs import run_search
from nas.search import Constraint
from nas.setup import RunFolder, Setup, resolve
from nas.setup.spaces import build_space
from nas.setup.values import assign
from nas.space import Architecture
from nas.training import CrossEntropy, PlainStep, train

FOLDER = Path(__file__).parent
SEEDS = FOLDER / "seeds"
WIDTHS = {"widths": (16, 24, 40), "stem": 16, "head": 96}
"""Of the space `mobilenet` for small images, at their largest."""
LARGEST = {"width_multipliers": [1.0], "depths": [3], "kernels": [5], "expansions": [6]}
SECONDS = 1.0
"""For which each network of a width is measured."""

Row = dict[str, Any]


def one_seed(seed: int, runs: Path, settings: list[str]) -> Row:
    """What the first command finds with a seed, and what the others find with as much time."""
    run = RunFolder(runs / f"first-{seed}")
    asked: Row = {"seed": seed}
    for setting in settings:
        assign(asked, setting)
    spent = runs / f"first-{seed}.json"
    if not spent.exists():
        shutil.rmtree(run.path, ignore_errors=True)
        started = time.process_time()
        run_search(resolve(asked, "first run"), run)
        spent.write_text(json.dumps({"cpu_seconds": time.process_time() - started}))
    cpu_seconds = json.loads(spent.read_text())["cpu_seconds"]
    result = run.result
    setup = Setup(run.load_config())
    restore_trained(setup, run)
    best, draw = result["best"], result["random"]
    seconds = sum(result["seconds"].values())
    row: Row = {
        "seed": seed,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "share_random": result["seconds"]["baseline"] / seconds,
        "share_train": result["seconds"]["train"] / seconds,
        "draws": draw["draws"],
        "front": len(result["front"]),
        "equals": len(result["selection"]["equals"]),
        "differ": result["selection"]["differ"],
        "selection_accuracy": best["selection_accuracy"],
        "accuracy": best["accuracy"],
        "accuracy_se": standard_error(best, "accuracy"),
        "test_accuracy": best["test_accuracy"],
        "test_accuracy_se": standard_error(best, "test_accuracy"),
        "latency_share": best["latency_ms"] / result["largest"]["latency_ms"],
        "flops": best["flops"],
        "largest": result["largest"]["test_accuracy"],
        "random": draw["test_accuracy"],
        "random_latency_share": draw["latency_ms"] / result["largest"]["latency_ms"],
    }
    row |= same_weights(setup, result)
    return row | alone(setup, seed, cpu_seconds)


def standard_error(row: Mapping[str, float], name: str) -> float:
    """Half of a 95 % interval in standard deviations."""
    return (row[f"{name}_high"] - row[f"{name}_low"]) / (2 * 1.959964)


def shares(setup: Setup, networks: Mapping[str, nn.Module]) -> dict[str, float]:
    """The latency of networks as shares of the largest network's, measured in turn with it."""
    found = measure_with_largest(setup, networks, SECONDS * len(networks))
    return {name: each.latency_ms / (each.reference_ms or math.nan) for name, each in found.items()}


def bound_of(setup: Setup) -> float:
    """The constraint of the first command, as a share of the largest network's latency."""
    (constraint,) = (Constraint.parse(text) for text in setup.config.constraints)
    return constraint.resolve({"latency_ms": 1.0}).bound


def same_weights(setup: Setup, result: Mapping[str, Any]) -> Row:
    """The largest network within the bound whose widths are all scaled alike, with the weights of the supernet.

    The space has 18 of them: each stage of depth 1, 2 or 3, at half or at full width, each block's expansion 3, 4 or
    6, with the largest kernels.
    """
    everything = setup.space.largest()
    found: dict[str, Architecture] = {}
    for depth, width, expansion in product((1, 2, 3), (0, 1), (3, 4, 6)):
        chosen = {
            name: (sorted(setup.space.choices[name])[width] if name.endswith("width") else value)
            for name, value in everything.items()
        }
        chosen |= {name: expansion for name in everything if name.endswith("expansion")}
        chosen |= {name: depth for name in everything if name.endswith("depth")}
        found[f"{depth} {width} {expansion}"] = setup.space.architecture(chosen)
    networks = {name: setup.supernet.extract(each) for name, each in found.items()}
    within = {name: share for name, share in shares(setup, networks).items() if share <= bound_of(setup)}
    if not within:
        return {"uniform_shared": math.nan, "uniform_shared_latency_share": math.nan}
    name = max(within, key=lambda each: setup.costs(found[each])["flops"])
    tested = setup.evaluate(setup.evaluator.network(found[name]), setup.data.test)["accuracy"]
    return {"uniform_shared": tested, "uniform_shared_latency_share": within[name]}


def scaled(setup: Setup, depth: int, factor: float) -> nn.Module:
    """The largest network of the space with stages of a depth and all its widths scaled alike."""
    widths = {"widths": [max(1, round(width * factor)) for width in WIDTHS["widths"]]}
    ends = {name: max(1, round(WIDTHS[name] * factor)) for name in ("stem", "head")}
    model = build_space(
        "mobilenet",
        {**LARGEST, "depths": [depth], **widths, **ends},
        setup.data.input_shape,
        setup.data.input_dtype,
        10,
    )
    supernet = nas.Supernet(model)
    return supernet.extract(supernet.space.largest())


def within_bound(setup: Setup) -> tuple[int, float, float]:
    """The deepest stages that keep the bound at some width, the largest such width, and the latency at it as a share."""
    factors, bound = np.linspace(1.0, 0.1, 46), bound_of(setup)
    for depth in (3, 2, 1):

        def share(factor: float, depth: int = depth) -> float:
            return shares(setup, {"scaled": scaled(setup, depth, factor)})["scaled"]

        if share(factors[-1]) > bound:
            continue
        low, high = 0, len(factors) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if share(factors[middle]) <= bound else (middle + 1, high)
        return depth, float(factors[high]), share(factors[high])
    raise SystemExit("no width keeps the bound")


def alone(setup: Setup, seed: int, cpu_seconds: float) -> Row:
    """The largest width within the bound, trained by itself for all the time that the whole search took."""
    depth, factor, share = within_bound(setup)
    recipe, data = setup.config.training, setup.data

    def seconds(epochs: int, network: nn.Module) -> float:
        started, shorter = time.process_time(), recipe.model_copy(update={"epochs": epochs})
        train(step_of(network), data.train, shorter, seed=seed, augment=data.augment)
        return time.process_time() - started

    epochs = max(2, int(3 * cpu_seconds / seconds(3, initialise(scaled(setup, depth, factor), seed))))
    network = initialise(scaled(setup, depth, factor), seed)
    spent = seconds(epochs, network)
    return {
        "uniform": setup.evaluate(network, data.test)["accuracy"],
        "uniform_depth": depth,
        "uniform_factor": factor,
        "uniform_latency_share": share,
        "uniform_epochs": epochs,
        "uniform_cpu_seconds": spent,
    }


def step_of(network: nn.Module) -> PlainStep:
    return PlainStep(network, [CrossEntropy()])


def tables() -> None:
    """The CSV of all seeds and the page."""
    table = pd.DataFrame([json.loads(path.read_text()) for path in sorted(SEEDS.glob("*.json"))]).sort_values("seed")
    table.round(5).to_csv(FOLDER / "seeds.csv", index=False)
    others = {
        "best of the random draws, same rule, same supernet": "random",
        "widths scaled alike, alone for the whole time": "uniform",
        "widths scaled alike, weights of the supernet": "uniform_shared",
        "largest network of the space, weights of the supernet": "largest",
    }
    lines = [
        "| network | test accuracy, mean ± standard deviation over seeds | chosen minus it, mean ± standard error | "
        "seeds in which the chosen is better |",
        "| --- | --- | --- | --- |",
        f"| chosen by the search | {spread(table['test_accuracy'])} | | |",
    ]
    for title, name in others.items():
        known = table[table[name].notna()]
        gap = known["test_accuracy"] - known[name]
        error = gap.std() / math.sqrt(len(gap)) if len(gap) > 1 else math.nan
        lines.append(
            f"| {title} | {spread(known[name])} | {gap.mean():+.2%} ± {error:.2%} | {int((gap > 0).sum())} of {len(gap)} |"
        )
    gap = table["accuracy"] - table["test_accuracy"]
    errors = np.sqrt(table["accuracy_se"] ** 2 + table["test_accuracy_se"] ** 2)
    z = float((gap / errors).sum() / math.sqrt(len(gap)))
    optimism = table["selection_accuracy"] - table["accuracy"]
    text = (
        (FOLDER / "about.md").read_text()
        + "\n"
        + "\n".join(
            [
                f"## {len(table)} seeds",
                "",
                *lines,
                "",
                f"Confirmed minus test accuracy: {gap.mean():+.2%} in the mean, {(gap / errors).abs().max():.1f} standard "
                f"errors in the worst seed; all seeds together z = {z:.2f} (p = {2 * norm.sf(abs(z)):.2f}). "
                f"Selected minus confirmed: {optimism.mean():+.2%} ± {optimism.std() / math.sqrt(len(table)):.2%}.",
                "",
                f"A run took {table['seconds'].mean():.0f} s ({table['seconds'].min():.0f} to {table['seconds'].max():.0f}), "
                f"of which the random draws took {table['share_random'].mean():.1%} (most {table['share_random'].max():.1%}) "
                f"for {table['draws'].min()} to {table['draws'].max()} of them. Chosen networks need "
                f"{table['latency_share'].mean():.1%} of the largest network's latency as measured, the random ones "
                f"{table['random_latency_share'].mean():.1%} as predicted, the scaled ones "
                f"{table['uniform_latency_share'].mean():.1%} as measured.",
                "",
                "Every seed: `seeds.csv`.",
                "",
            ]
        )
    )
    (FOLDER / "README.md").write_text(text)
    print(text)


def spread(values: pd.Series) -> str:
    return f"{values.mean():.2%} ± {values.std():.2%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--runs", type=Path, default=Path("first_runs"), help="where the runs are kept")
    parser.add_argument("--set", action="append", default=[], help="key=value of the run, to try the script out")
    parser.add_argument("--tables", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.seed is not None:
        SEEDS.mkdir(exist_ok=True)
        asked.runs.mkdir(parents=True, exist_ok=True)
        file = SEEDS / f"{asked.seed}.json"
        if not file.exists():
            file.write_text(json.dumps(one_seed(asked.seed, asked.runs, asked.set), indent=2))
    if asked.tables:
        tables()


if __name__ == "__main__":
    main()
