"""How good is it? Each claim with its figure, computed from the rows of a benchmark.

python results/claims.py        # writes results/README.md
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

BENCHMARKS = Path(__file__).parent / "benchmarks"

ABOUT = """# How good is it?

Each line is computed from the rows that a benchmark wrote (`python results/claims.py`): what was asked, what was
measured with its spread, and where the rows, the script, the baselines and the exact command are. The date is that of
the rows' last change. What lost stands here, too. Your own searches lie beside this page, one folder each.

"""


class Claim(NamedTuple):
    """A question that a benchmark answers.

    Attributes:
        question: what a reader wants to know.
        rows: the CSV file below the benchmarks.
        figure: what the rows say, in words.
    """

    question: str
    rows: str
    figure: Callable[[pd.DataFrame], str]


def spread(values: pd.Series, scale: float = 100.0) -> str:
    """Mean ± standard deviation, and over how many."""
    if len(values) == 1:
        return f"{scale * values.iloc[0]:.1f} (1 seed)"
    return f"{scale * values.mean():.1f} ± {scale * values.std():.1f} ({len(values)} seeds)"


def first_search(rows: pd.DataFrame) -> str:
    gain = 100 * (rows["test_accuracy"] - rows["random"])
    return (
        f"chosen {spread(rows['test_accuracy'])} %, {gain.mean():+.2f} ± {gain.sem():.2f} points against the best random "
        f"draw; one network with scaled widths, trained alone for all of the time, reaches {spread(rows['uniform'])} %, "
        "which is what the last round of a search is for"
    )


def equal_time(rows: pd.DataFrame) -> str:
    said = []
    for (task, budget), part in rows[rows["arm"] != "spread"].groupby(["task", "budget"], sort=False):
        tests = dict(iter(part.groupby("arm")["test"]))
        ours = tests.pop("engine", None)
        if ours is None or not tests:
            continue
        best = max(tests, key=lambda arm: tests[arm].mean())
        uniform = f", scaled widths {spread(tests['uniform'])}" if "uniform" in tests and best != "uniform" else ""
        said.append(f"{task}, {budget:g} s: {spread(ours)} %{uniform}, best other ({best}) {spread(tests[best])} %")
    return "; ".join(said)


def four_bounds(rows: pd.DataFrame) -> str:
    means = rows.groupby(["arm", "seed"])["test"].mean().groupby("arm")
    return "; ".join(f"{arm} {spread(values)} %" for arm, values in means)


def predictors(rows: pd.DataFrame) -> str:
    chosen = rows[rows["chosen"].eq(True) | rows["chosen"].eq("True")]
    return "; ".join(
        f"{row.space} on {row.target}: {row.within_10pct:.0%} within 10 %, {row.within_5pct:.0%} within 5 %, "
        f"Spearman {row.spearman:.3f}"
        for row in chosen.itertuples()
    )


def kept_bounds(rows: pd.DataFrame) -> str:
    return f"{rows['holds'].astype(bool).sum()} of {len(rows)} delivered networks keep the bound when measured again"


def new_device(rows: pd.DataFrame) -> str:
    asked = rows[(rows["space"] == "nasbench201") & (rows["samples"] == 10)]
    found = asked.groupby(["split", "method"])["spearman"].mean()
    best = found.drop("alone").groupby(level=0).max()
    alone = found["alone"]
    return (
        "; ".join(f"{split}: {value:.3f}" for split, value in best.items())
        + f"; without other devices {alone.drop('FLOPs line').max():.3f}, FLOPs alone {alone['FLOPs line']:.3f}"
    )


def overhead(rows: pd.DataFrame) -> str:
    drawn = rows[~rows["subnet"].isin(["largest", "smallest"])]["ratio"]
    return f"median {drawn.median():.3f} ({drawn.min():.2f} to {drawn.max():.2f}, {len(drawn)} subnets)"


def peers(rows: pd.DataFrame) -> str:
    said = []
    for measure, part in rows.groupby("measure", sort=False):
        found = part[part["tool"] != "nas"].groupby("tool", sort=False)["over_nas"]
        ratios = ", ".join(f"{tool} {each.median():.3f} ({each.min():.2f} to {each.max():.2f})" for tool, each in found)
        said.append(f"{measure}: {ratios}")
    return "; ".join(said) + f"; {rows['draw'].nunique()} architectures"


def entangled(rows: pd.DataFrame) -> str:
    found = rows[rows["case"] == "entangled"].set_index("group")["time_ratio"]
    return "; ".join(f"{group} kernels {value:.2f}" for group, value in found.items())


def two_workers(rows: pd.DataFrame) -> str:
    ratio = rows["2 independent processes"] / rows["2 workers"]
    return f"{ratio.median():.2f} ({ratio.min():.2f} to {ratio.max():.2f})"


def scaling(rows: pd.DataFrame) -> str:
    wide = rows[rows["efficiency"] >= 0.9].groupby("search")["workers"].max()
    return "; ".join(f"{search}: {workers} workers" for search, workers in wide.items())


def asking(rows: pd.DataFrame) -> str:
    worst = rows[rows["results"] == rows["results"].max()]["total"].max()
    return f"at most {worst:.0f} ms a candidate with {rows['results'].max():,} results"


def starting(rows: pd.DataFrame) -> str:
    now = rows[rows["tree"] == "now"].set_index("command")["wall_s"]
    return f"`nas --help` {now['nas --help']:.2f} s, median of all commands {now.median():.2f} s"


def strategies(rows: pd.DataFrame) -> str:
    at_end = rows[(rows["goal"] == "best") & (rows["evaluations"] == 200) & (rows["landscape"] != "supernet")]
    found = at_end.groupby(["landscape", "strategy"])["value"].mean()
    said = []
    for landscape, values in found.groupby(level=0):
        by_strategy = values.droplevel(0)
        best = by_strategy.idxmax()
        said.append(f"{landscape}: {best} {by_strategy[best]:.4f}, random {by_strategy['random']:.4f}")
    return "; ".join(said)


def all_strategies(rows: pd.DataFrame) -> str:
    said = []
    for landscape, group in rows[rows["evaluations"] == 200].groupby("landscape", sort=False):
        by = group.set_index("strategy")
        best, judged = by["mean"].idxmax(), by["judged_by"].iloc[0]
        unit = " % of the hypervolume" if judged == "hypervolume" else " %"
        values = [f"{by['mean'][name] * (100 if judged == 'hypervolume' else 1):.2f}" for name in (best, "random")]
        said.append(f"{landscape}: {best} {values[0]}{unit}, random {values[1]} ({by['seeds'].iloc[0]:.0f} seeds)")
    return "; ".join(said)


def halving(rows: pd.DataFrame) -> str:
    said = []
    for name in ("hyperband", "asha", "random"):
        found = rows[rows["strategy"] == name].set_index("evaluation")["best_mean"]
        said.append(f"{name} {', '.join(f'{100 * found[budget]:.2f}' for budget in (5, 10, 20))} %")
    return "; ".join(said)


def growth(rows: pd.DataFrame) -> str:
    names = {"parent": "the smallest", "grown": "grown", "few": "fresh, as short", "all": "fresh, as long in all"}
    return "; ".join(f"{said} {100 * rows[column].mean():.1f} %" for column, said in names.items())


def proxies(rows: pd.DataFrame) -> str:
    first = rows[rows["seed"] == 0]
    names = [name.removeprefix("published ") for name in rows.columns if name.startswith("published ")]
    found = {name: first[name].corr(first[f"published {name}"], method="spearman") for name in names}
    return ", ".join(f"{name} {value:.2f}" for name, value in found.items()) + f" ({len(first)} networks)"


def cells(rows: pd.DataFrame) -> str:
    found = rows.groupby("method")["accuracy"]
    return "; ".join(f"{method} {spread(values, 1)} %" for method, values in found) + "; a random cell 90.0 ± 1.2 %"


def conflicts(rows: pd.DataFrame) -> str:
    asked = rows[(rows["steps"] == rows[rows["arm"] == "shared"]["steps"].max()) & (rows["arm"] != "truth")]
    found = asked.groupby("arm")["accuracy"].mean()
    return "; ".join(f"{arm} {found[arm]:.1f} %" for arm in ("shared", "paired", "table", "oracle"))


def own_model(rows: pd.DataFrame) -> str:
    said = []
    for (network, seconds), part in rows.groupby(["network", "after"], sort=False):
        tests = ", ".join(
            f"{arm} {100 * test.mean():.1f}" + (f" ({len(test)} seeds)" if len(test) > 1 else "")
            for arm, test in part.groupby("arm", sort=False)["test"]
        )
        whole = " and ".join(dict.fromkeys(f"{100 * each:.1f}" for each in part["dense_test"]))
        said.append(f"{network}, {seconds:.0f} s (whole: {whole} %): {tests}")
    return "; ".join(said) + "; one seed where none are told"


CLAIMS = [
    Claim(
        "Is a network from the first command better than luck? Test accuracy on noisy digits, half of the latency",
        "first_run/seeds.csv",
        first_search,
    ),
    Claim(
        "At equal CPU time, one bound: is `--time` better than what people do without us? Test accuracy",
        "equal_time/rows.csv",
        equal_time,
    ),
    Claim(
        "Four bounds from one supernet, in as much time as four searches (`sweep`)? Mean test accuracy, Fashion-MNIST",
        "equal_time/four_bounds.csv",
        four_bounds,
    ),
    Claim("How near is predicted latency to measured, on networks never seen?", "latency/latency.csv", predictors),
    Claim("Does the delivered network keep its latency bound?", "latency/winners.csv", kept_bounds),
    Claim("A new device with ten samples: Spearman on NAS-Bench-201?", "latency_tables/scores.csv", new_device),
    Claim("A training step in the supernet over the same subnet alone?", "overhead/overhead.csv", overhead),
    Claim(
        "The same supernet in NNI and in ModelOpt, and a bare loop of its subnets: their time over ours, one thread?",
        "peers/rows.csv",
        peers,
    ),
    Claim("Entangled kernels over the largest kernel alone, time of a step?", "darts_cost/cost.csv", entangled),
    Claim("Two Ray workers over two processes that share nothing?", "ray/throughput.csv", two_workers),
    Claim("Up to how many workers is 90 % of the time used, by the model of costs?", "scale/scale.csv", scaling),
    Claim("What does the search itself cost?", "ray/ask_tell.csv", asking),
    Claim("How soon does the command answer?", "startup/startup.csv", starting),
    Claim(
        "Which strategy finds the best network in 200 evaluations of a table? Accuracy",
        "search_vs_random/searches.csv",
        strategies,
    ),
    Claim(
        "And of all strategies, each asked for one architecture or ten at a time? After 200 evaluations",
        "strategies/strategies.csv",
        all_strategies,
    ),
    Claim(
        "Does halving find better networks? Validation accuracy after the time of 5, 10 and 20 whole trainings",
        "halving/strategies.csv",
        halving,
    ),
    Claim(
        "Does a network learn sooner that grew from a trained one? Validation accuracy, digits",
        "growth/rows.csv",
        growth,
    ),
    Claim(
        "Do zero-cost proxies rank as the published values do? Spearman on NAS-Bench-201", "zero_cost/rows.csv", proxies
    ),
    Claim(
        "Cells that differentiable methods derive: true accuracy on Fashion-MNIST?",
        "ranking_toy_cell/summary.csv",
        cells,
    ),
    Claim(
        "Where architectures conflict, do banks of weights help? Mean accuracy of subnets at equal steps",
        "sharing/views/runs.csv",
        conflicts,
    ),
    Claim(
        "A trained network made twice as fast: test accuracy after one and after five minutes?",
        "own_model/rows.csv",
        own_model,
    ),
]


def page() -> str:
    """The page, from the rows as they are."""
    lines = ["| question | measured | rows, script, command | rows of |", "| --- | --- | --- | --- |"]
    for claim in CLAIMS:
        folder = claim.rows.rpartition("/")[0]
        figure = claim.figure(pd.read_csv(BENCHMARKS / claim.rows))
        lines.append(f"| {claim.question} | {figure} | [{folder}](benchmarks/{folder}) | {changed(claim.rows)} |")
    return ABOUT + "\n".join(lines) + "\n"


def changed(rows: str) -> str:
    """Date and commit of the last change of rows."""
    words = [
        "git",
        "-C",
        str(BENCHMARKS),
        "log",
        "-1",
        "--follow",
        "--diff-filter=AM",
        "--format=%cs, `%h`",
        "--",
        rows,
    ]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() or "not committed"


def main() -> None:
    (BENCHMARKS.parent / "README.md").write_text(page())


if __name__ == "__main__":
    main()
