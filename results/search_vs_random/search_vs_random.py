"""Strategies against random search: same trained supernet, same budgets, five seeds, both goals.

Run from the repository root:  python results/search_vs_random/search_vs_random.py
Writes results/search_vs_random/searches.csv and README.md.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import nas
from nas.costs import StaticCosts
from nas.data import load
from nas.evaluation import SharedWeights
from nas.sampling import Uniform
from nas.search import Objective, SingleObjective, hypervolume, make_strategy, search
from nas.training import CrossEntropy, Recipe, SupernetStep, train
from search_spaces.chain import chain
from search_spaces.mobilenet import mobilenet

FOLDER = Path(__file__).parent
STRATEGIES = ("random", "evolution", "nsga2", "local", "tpe")
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("flops", maximise=False)]
SEEDS = range(5)
BUDGETS = (50, 100, 200)
EPOCHS = 40
BOUND = "flops <= 50% of largest"

Rows = list[dict[str, Any]]


def trained(space: Callable[..., torch.nn.Module], epochs: int) -> tuple[nas.Supernet, SharedWeights, StaticCosts]:
    data = load("noisy_digits", seed=0)
    torch.manual_seed(0)
    supernet = nas.Supernet(space(input_shape=data.input_shape, classes=10))
    step = SupernetStep(supernet, Uniform(supernet.space, 0), [CrossEntropy()])
    train(step, data.train, Recipe(epochs=epochs), seed=0, augment=data.augment)
    return supernet, SharedWeights(supernet, data), StaticCosts(supernet, data.input_shape)


def compare(space: Callable[..., torch.nn.Module], epochs: int) -> Rows:
    """Rows of the table for one space; an architecture's evaluation is shared between the searches."""
    supernet, evaluator, costs = trained(space, epochs)
    largest_flops = costs(supernet.space.largest())["flops"]
    known: dict[nas.Architecture, Mapping[str, Any]] = {}

    def evaluate(batch: list[nas.Architecture]) -> pd.DataFrame:
        new = [architecture for architecture in batch if architecture not in known]
        if new:
            known.update(zip(new, evaluator(new).to_dict("records"), strict=True))
        return pd.DataFrame([known[architecture] for architecture in batch])

    def rows(name: str, seed: int, goal: str) -> Rows:
        strategy = make_strategy(name, supernet.space, seed)
        table = search(
            supernet.space,
            evaluate,
            SingleObjective(strategy) if goal == "best" else strategy,
            objectives=OBJECTIVES,
            costs=lambda batch: pd.DataFrame([costs(architecture) for architecture in batch]),
            constraints=[BOUND] if goal == "best" else [],
            budget=max(BUDGETS),
        )
        found = []
        for budget in BUDGETS:
            first = table.head(budget)
            points = pd.DataFrame({"error": 1 - first["accuracy"], "flops": first["flops"] / largest_flops})
            value = hypervolume(points.to_numpy(), [1.0, 1.0]) if goal == "front" else float(first["accuracy"].max())
            found.append(
                {
                    "space": space.__name__,
                    "goal": goal,
                    "evaluations": budget,
                    "strategy": name,
                    "seed": seed,
                    "value": value,
                }
            )
        print(found[-1], flush=True)
        return found

    return [
        row for goal in ("best", "front") for seed in SEEDS for name in STRATEGIES for row in rows(name, seed, goal)
    ]


def written(result: pd.DataFrame) -> str:
    """The table of both goals: mean and standard deviation over seeds, and in how many seeds it is above random."""
    lines = [
        f"| space | goal | evaluations | {' | '.join(STRATEGIES)} |",
        f"| --- | --- | --- {'| --- ' * len(STRATEGIES)}|",
    ]
    for (space, goal, evaluations), group in result.groupby(["space", "goal", "evaluations"], sort=False):
        by = group.pivot(index="seed", columns="strategy", values="value")
        cells = [
            f"{by[name].mean():.4f} ± {by[name].std():.4f}"
            + ("" if name == "random" else f" ({(by[name] > by['random']).sum()} of {len(by)})")
            for name in STRATEGIES
        ]
        lines.append(f"| {space} | {goal} | {evaluations} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    torch.set_num_threads(1)
    result = pd.DataFrame([row for space in (chain, mobilenet) for row in compare(space, EPOCHS)])
    result.round(6).to_csv(FOLDER / "searches.csv", index=False)
    table = written(result)
    (FOLDER / "README.md").write_text(
        f"# Strategies against random search\n\nOn `noisy_digits`, {len(SEEDS)} seeds, one trained supernet a space. Goal "
        f"`best`: the selecting accuracy of the best network with {BOUND}. Goal `front`: hypervolume of error and FLOPs (as a "
        "share of the largest network), reference point (1, 1). In brackets: seeds above random search.\n\n"
        f"{table}\n\nCommand: `python results/search_vs_random/search_vs_random.py`\n"
    )
    print(table)


if __name__ == "__main__":
    main()
