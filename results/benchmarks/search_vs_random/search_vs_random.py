"""Strategies against random search: the same architectures, the same numbers of evaluations, both goals.

Run from the repository root; what is in searches.csv is not searched again:

    python results/benchmarks/search_vs_random/search_vs_random.py --data-dir DATA

DATA holds nasbench201/nb201.parquet and nasbench_macro/nasbench_macro_cifar10.parquet; landscapes whose table is not
there are skipped. Writes searches.csv and README.md.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from nas.space import Architecture, Space
from nas.training import CrossEntropy, Recipe, SupernetStep, train
from search_spaces import chain, nasbench201
from search_spaces.mobilenet import mobilenet

FOLDER = Path(__file__).parent
STRATEGIES = ("random", "evolution", "early-exit", "nsga2", "local", "tpe")
OBJECTIVES = [Objective("accuracy", maximise=True), Objective("flops", maximise=False)]
BUDGETS = (50, 100, 200)
BOUND = "flops <= 50% of largest"
KEY = ["landscape", "goal", "strategy", "seed"]

Table = Callable[[Sequence[Architecture]], pd.DataFrame]


@dataclass(frozen=True)
class Landscape:
    """What is searched.

    Attributes:
        accuracy: by which strategies search, from 0 to 1.
        flops: of architectures.
        truth: the accuracy that counts in the end, which no strategy sees.
    """

    space: Space
    accuracy: Table
    flops: Table
    truth: Callable[[Architecture], float]
    seeds: int


def published(space: Space, table: pd.DataFrame, seeds: int = 10) -> Landscape:
    """Of a table whose index are keys of architectures, with the columns accuracy, flops and truth."""

    def column(name: str) -> Table:
        return lambda some: table.loc[[each.key for each in some], [name]]

    return Landscape(space, column("accuracy"), column("flops"), lambda each: float(table.at[each.key, "truth"]), seeds)


def of_nasbench201(folder: Path) -> Landscape:
    """CIFAR-10: searched by the validation accuracy of one training, judged by the mean test accuracy."""
    space = nas.Supernet(nasbench201.nasbench201(width=4)).space
    table = pd.read_parquet(folder / "nasbench201" / "nb201.parquet")
    names = {"cifar10_val_acc_single": "accuracy", "cifar10_test_acc": "truth", "cifar10_mflops_naslib": "flops"}
    found = table[list(names)].rename(columns=names) * [0.01, 0.01, 1e6]
    parsed = map(nasbench201.NOTATION.parse, table["arch"])
    return published(space, found.set_axis([space.architecture(each).key for each in parsed]))


def of_nasbench_macro(folder: Path) -> Landscape:
    """CIFAR-10: searched by the test accuracy of a first training, judged by the mean of two others."""
    space = nas.Supernet(chain.chain(width=4)).space
    table = pd.read_parquet(folder / "nasbench_macro" / "nasbench_macro_cifar10.parquet")
    truth = (table["acc2"] + table["acc3"]) / 200
    found = pd.DataFrame({"accuracy": table["acc1"] / 100, "flops": table["flops"], "truth": truth})
    parsed = map(chain.NOTATION.parse, table["arch"])
    return published(space, found.set_axis([space.architecture(each).key for each in parsed]))


def of_supernet(epochs: int = 30, images: int = 500, seeds: int = 5) -> Landscape:
    """A trained supernet of `mobilenet` on noisy digits, with one half of the validation images to search by."""
    data = load("noisy_digits", seed=0)
    torch.manual_seed(0)
    supernet = nas.Supernet(mobilenet(data.input_shape, 10))
    step = SupernetStep(supernet, Uniform(supernet.space, 0), [CrossEntropy()])
    train(step, data.train, Recipe(epochs=epochs), seed=0, augment=data.augment)
    searching, judging = data.validation.divided(images / len(data.validation), (0, 1))
    evaluate, costs = (
        SharedWeights(supernet, replace(data, validation=searching), 256),
        StaticCosts(supernet, data.input_shape),
    )
    known: dict[Architecture, Mapping[str, Any]] = {}

    def accuracy(some: Sequence[Architecture]) -> pd.DataFrame:
        if new := [each for each in some if each not in known]:
            known.update(zip(new, evaluate(new).to_dict("records"), strict=True))
        return pd.DataFrame([{"accuracy": known[each]["accuracy"]} for each in some])

    def truth(architecture: Architecture) -> float:
        (tally,) = evaluate.tallies([architecture], judging)
        return float(tally.metrics()["accuracy"])

    return Landscape(supernet.space, accuracy, lambda some: pd.DataFrame(map(costs, some))[["flops"]], truth, seeds)


def searched(landscape: Landscape, goal: str, name: str, seed: int) -> list[dict[str, Any]]:
    """What a strategy has found after each number of evaluations."""
    strategy = make_strategy(name, landscape.space, seed)
    table = search(
        landscape.space,
        landscape.accuracy,
        SingleObjective(strategy) if goal == "best" else strategy,
        objectives=OBJECTIVES,
        costs=landscape.flops,
        constraints=[BOUND] if goal == "best" else [],
        budget=max(BUDGETS),
    )
    largest = landscape.flops([landscape.space.largest()])["flops"].iloc[0]
    return [{"evaluations": count, "value": value(landscape, goal, table.head(count), largest)} for count in BUDGETS]


def value(landscape: Landscape, goal: str, table: pd.DataFrame, largest: float) -> float:
    """The true accuracy of the network that was chosen, or the hypervolume of the front."""
    if goal == "best":
        best = table.loc[table["accuracy"].idxmax(), "architecture"]
        return landscape.truth(Architecture.from_json(best))
    points = pd.DataFrame({"error": 1 - table["accuracy"], "flops": table["flops"] / largest})
    return hypervolume(points.to_numpy(), [1.0, 1.0])


def page(rows: pd.DataFrame) -> str:
    """The table of both goals: mean and standard deviation over seeds, and in how many seeds it is above random."""
    lines = [
        f"| landscape | goal | evaluations | {' | '.join(STRATEGIES)} |",
        f"| --- | --- | --- {'| --- ' * len(STRATEGIES)}|",
    ]
    for (landscape, goal, evaluations), group in rows.groupby(["landscape", "goal", "evaluations"], sort=False):
        by = group.pivot(index="seed", columns="strategy", values="value")
        first = by.mean().idxmax()
        cells = []
        for name in STRATEGIES:
            text = f"{by[name].mean():.4f} ± {by[name].std():.4f}"
            text = f"**{text}**" if name == first else text
            ahead = "" if name == "random" else f" ({(by[name] > by['random']).sum()} of {len(by)})"
            cells.append(text + ahead)
        lines.append(f"| {landscape} | {goal} | {evaluations} | {' | '.join(cells)} |")
    return (FOLDER / "about.md").read_text() + "\n" + "\n".join(lines) + "\n\n" + ranks(rows)


def ranks(rows: pd.DataFrame) -> str:
    """The mean rank of each strategy among all, for each goal and number of evaluations."""
    group = rows.groupby(["landscape", "goal", "evaluations", "seed"])["value"]
    by = rows.assign(rank=group.rank(ascending=False)).pivot_table(
        index=["goal", "evaluations"], columns="strategy", values="rank"
    )
    lines = [f"| mean rank | {' | '.join(STRATEGIES)} |", f"| --- {'| --- ' * len(STRATEGIES)}|"]
    for (goal, evaluations), row in by.iterrows():
        lines.append(f"| {goal}, {evaluations} | {' | '.join(f'{row[name]:.2f}' for name in STRATEGIES)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--landscapes", nargs="+", default=["nasbench201", "nasbench-macro", "supernet"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    file = FOLDER / "searches.csv"
    rows = pd.read_csv(file).to_dict("records") if file.exists() else []
    makers: dict[str, Callable[[], Landscape]] = {
        "nasbench201": lambda: of_nasbench201(asked.data_dir),
        "nasbench-macro": lambda: of_nasbench_macro(asked.data_dir),
        "supernet": of_supernet,
    }
    for name in asked.landscapes:
        try:
            landscape = makers[name]()
        except FileNotFoundError as error:
            print(f"skipped: {name}: {error}", flush=True)
            continue
        for goal in ("best", "front"):
            for seed in range(landscape.seeds):
                for strategy in STRATEGIES:
                    key = dict(zip(KEY, (name, goal, strategy, seed), strict=True))
                    if any(all(row[part] == key[part] for part in KEY) for row in rows):
                        continue
                    rows += [{**key, **found} for found in searched(landscape, goal, strategy, seed)]
                    pd.DataFrame(rows).round(6).to_csv(file, index=False)
                    print(rows[-1], flush=True)
    (FOLDER / "README.md").write_text(text := page(pd.DataFrame(rows)))
    print(text)


if __name__ == "__main__":
    main()
