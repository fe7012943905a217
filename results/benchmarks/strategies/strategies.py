"""Every strategy on tables of published results: ``nas benchmark`` on each, and one page of what came out.

Run from the repository root; a search that was made is not made again, and more seeds add searches:

    python results/benchmarks/strategies/strategies.py --data-dir DATA --seeds 50 --workers 2

DATA holds nasbench201/nb201.parquet, nasbench_macro/nasbench_macro_cifar10.parquet, tanglenas_toy/
cell_fashion_mnist.parquet and help_latency/help_nasbench201.parquet. Writes strategies.csv and README.md; the pages with
curves and tests are in the folder of searches, one for each landscape.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from nas.benchmark import Question, benchmark_question, compare

FOLDER = Path(__file__).parent
STRATEGIES = (
    "random", "exhaustive", "evolution", "early-exit", "local", "nsga2", "tpe", "nni:TPE",
    "ridge batch=10", "forest batch=10", "guided batch=10", "bananas batch=10", "brp", "milp", "mcts", "reinforce",
    "ppo-controller", "linas batch=20", "boshnas", "diffusion",
)  # fmt: skip
BUDGETS = (50, 100, 200)
CERTAIN = 0.05


@dataclass(frozen=True)
class Landscape:
    """What is searched.

    Attributes:
        table: below DATA.
        metric: column that strategies see; or its name, where ``options`` say which columns it is.
        cost: column that is minimised beside it, of HELP's latencies.
        options: of the evaluator ``table``.
    """

    name: str
    space: str
    table: str
    metric: str
    test: str | None = None
    cost: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def question(self, data: Path, work: Path) -> Question:
        """What each strategy is asked."""
        path = data / self.table if self.cost is None else with_latencies(data, work)
        settings = {"evaluator_args": self.options} if self.options else {}
        return benchmark_question(
            self.space, table=path, metric=self.metric, test=self.test, cost=self.cost, settings=settings
        )


NASBENCH201 = "nasbench201/nb201.parquet"
LANDSCAPES = (
    *(
        Landscape(name, "nasbench201", NASBENCH201, f"{name}_val_acc_single", f"{name}_test_acc")
        for name in ("cifar10", "cifar100", "imagenet16")
    ),
    Landscape(
        "macro",
        "chain",
        "nasbench_macro/nasbench_macro_cifar10.parquet",
        "accuracy",
        options={"metrics": {"accuracy": "acc1"}, "test": ["acc2", "acc3"]},
    ),
    Landscape("toy-cell", "toy_cell", "tanglenas_toy/cell_fashion_mnist.parquet", "test_acc"),
    Landscape("cifar10-latency", "nasbench201", NASBENCH201, "cifar10_val_acc_single", cost="lat_ms__gold_6226"),
)
ORDER = [each.name for each in LANDSCAPES]


def with_latencies(data: Path, work: Path) -> Path:
    """NAS-Bench-201 with HELP's latencies beside, in one file."""
    path = work / "nb201_help.parquet"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        table = pd.read_parquet(data / NASBENCH201)
        latencies = pd.read_parquet(data / "help_latency/help_nasbench201.parquet").astype({"idx": int})
        table.merge(latencies, on="idx", validate="one_to_one").to_parquet(path)
    return path


def figures(landscape: Landscape, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each strategy and budget: of what it is judged by, and whether random search is better."""
    pairs = {(pair["better"], pair["worse"]): pair["p"] for pair in found["significance"]["pairs"]}
    judged = found["judged_by"]
    for row in found["strategies"]:
        name = row["strategy"]
        for count in BUDGETS:
            yield {
                "landscape": landscape.name,
                "strategy": name,
                "seeds": row["seeds"],
                "judged_by": judged,
                "evaluations": count,
                **row[judged][str(count)],
                "rank": found["significance"]["ranks"][name],
                "p_better_than_random": pairs.get((name, "random")),
                "p_worse_than_random": pairs.get(("random", name)),
                "cpu_seconds": row["seconds"],
            }


def page(rows: pd.DataFrame) -> str:
    """A table for each budget, a line a strategy, a column a landscape; then who loses to random search."""
    lines = [(FOLDER / "about.md").read_text(), losers(rows)]
    names = list(dict.fromkeys(rows["landscape"]))
    for count, some in rows.astype({"evaluations": int}).groupby("evaluations"):
        lines += [f"\n| {count} evaluations | {' | '.join(names)} |", f"| --- {'| --- ' * len(names)}|"]
        seeds = some.groupby("landscape")["seeds"].max()
        lines.append(f"| seeds | {' | '.join(f'{seeds[name]:.0f}' for name in names)} |")
        best = some.groupby("landscape")["mean"].max()
        for strategy, group in some.groupby("strategy", sort=False):
            by = group.set_index("landscape")
            cells = [cell(by.loc[name], best[name]) if name in by.index else "" for name in names]
            lines.append(f"| {strategy} | {' | '.join(cells)} |")
    last = rows[rows["evaluations"] == max(BUDGETS)].groupby("strategy", sort=False)
    lines += ["\n| strategy | mean rank | processor seconds a search |", "| --- | --- | --- |"]
    ranked = last[["rank", "cpu_seconds"]].mean().sort_values("rank")
    lines += [f"| {name} | {row['rank']:.1f} | {row['cpu_seconds']:.1f} |" for name, row in ranked.iterrows()]
    minutes = 50 * ranked["cpu_seconds"].sum() / 60
    lines.append(f"\nAll of them with 50 seeds take {minutes:.0f} processor minutes for one landscape.")
    return "\n".join(lines) + "\n"


def cell(row: "pd.Series[Any]", best: float) -> str:
    """Mean and standard deviation."""
    digits = 3 if row["judged_by"] == "hypervolume" else 2
    mean = f"{row['mean']:.{digits}f}"
    return f"{f'**{mean}**' if row['mean'] == best else mean} ± {row['sd']:.{digits}f}"


def losers(rows: pd.DataFrame) -> str:
    """In a sentence which strategies end below random search, and which of them by more than luck."""
    last = rows[rows["evaluations"] == max(BUDGETS)]
    random = last[last["strategy"] == "random"].set_index("landscape")["mean"]
    below = last[last["mean"] < last["landscape"].map(random)]
    named, certain = named_with(below), named_with(below[below["p_worse_than_random"] < CERTAIN])
    return (
        f"After {max(BUDGETS)} evaluations the mean is below that of random search for {named or 'none'}; by more than luck "
        f"(Wilcoxon's test, Holm's correction, p < {CERTAIN}) for {certain or 'none'}."
    )


def named_with(rows: pd.DataFrame) -> str:
    """The strategies, each with its landscapes."""
    found = rows.groupby("strategy", sort=False)["landscape"].agg(", ".join)
    return "; ".join(f"{strategy} ({where})" for strategy, where in found.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--landscapes", nargs="+", default=ORDER)
    parser.add_argument("--work", type=Path, default=Path("build/strategies"), help="folder of the searches")
    asked = parser.parse_args()
    file = FOLDER / "strategies.csv"
    rows = pd.read_csv(file) if file.exists() else pd.DataFrame({"landscape": pd.Series(dtype=str)})
    for landscape in LANDSCAPES:
        if landscape.name not in asked.landscapes:
            continue
        question = landscape.question(asked.data_dir, asked.work)
        folder = asked.work / landscape.name
        found = compare(question, STRATEGIES, folder, seeds=asked.seeds, workers=asked.workers)
        new = pd.DataFrame(figures(landscape, found)).round(6)
        rows = pd.concat([rows[rows["landscape"] != landscape.name], new])
        rows = rows.sort_values("landscape", key=lambda names: names.map(ORDER.index), kind="stable")
        rows.to_csv(file, index=False)
        (FOLDER / "README.md").write_text(page(rows))


if __name__ == "__main__":
    main()
