"""The page of the benchmark: about.md, then the spread of random networks and every arm, cell by cell.

python results/benchmarks/equal_time/table.py [--rows ROWS]
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from contests import SWEPT

HERE = Path(__file__).parent
ARMS = ["engine", "uniform", "asha-random", "asha-tpe", "random", "nni"]
CELL = ["task", "bound"]
OVERRUN = 1.05
OTHER_SPEED = 0.1
"""A machine so much slower or faster than for the other arms of a cell makes them hard to compare."""
LEAST_RANGE = {"accuracy": 0.01, "bits_per_character": 0.02}
"""Below it the networks of a cell do not differ."""


def page(rows: pd.DataFrame) -> str:
    order = list(dict.fromkeys(rows["task"]))
    rows = rows.assign(rank=rows["task"].map(order.index)).sort_values(
        ["budget", "bound", "rank"], ascending=[True, False, True]
    )
    parts = [(HERE / "about.md").read_text()]
    for budget, part in rows.groupby("budget", sort=False):
        lines = [*spread(part), "", *arms(part)] if (part["arm"] == "spread").any() else arms(part)
        parts.append(f"\n## {budget:g} CPU seconds\n\n" + "\n".join(lines) + "\n")
        if (part["arm"] == "sweep").any():
            parts.append("\n" + "\n".join(together(part)) + "\n")
    parts.append(
        "\n‡ The machine was over 10 % slower or faster than for the other arms of the cell, by `reference_ms`.\n"
    )
    late = rows[rows["cpu_seconds"] > OVERRUN * rows["budget"]]
    if len(late):
        parts.append(f"\n† {len(late)} rows took over 5 % more time than they had.\n")
    parts.append(f"\n{len(rows)} rows; {', '.join(dict.fromkeys(rows['versions']))}.\n")
    return "".join(parts)


def spread(rows: pd.DataFrame) -> Iterator[str]:
    """How much ten random networks differ."""
    yield "| task | FLOPs at most | random networks | mean ± sd | worst | best | range |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for (task, bound), part in rows[rows["arm"] == "spread"].groupby(CELL, sort=False):
        metric, test = part["metric"].iloc[0], part["test"]
        ends = (test.min(), test.max()) if metric == "accuracy" else (test.max(), test.min())
        shown = " | ".join(number(end, metric) for end in ends)
        tie = " =" if is_tie(part) else ""
        yield (
            f"| {task} | {bound} % | {len(part)} | {mean(test, metric)} | {shown} | "
            f"{number(abs(ends[0] - ends[1]), metric)}{tie} |"
        )


def arms(rows: pd.DataFrame) -> Iterator[str]:
    """Every arm's mean and standard deviation over seeds, and what the engine is ahead of the best other."""
    yield f"| task | FLOPs at most | {' | '.join(ARMS)} | engine minus best other |"
    yield f"| --- | --- | {' | '.join('---' for _ in ARMS)} | --- |"
    for (task, bound), part in rows.groupby(CELL, sort=False):
        metric, drawn = part["metric"].iloc[0], part[part["arm"] == "spread"]
        by_arm = {arm: part[part["arm"] == arm] for arm in ARMS}
        usual = pd.concat(by_arm.values())["reference_ms"].median()
        shown = " | ".join(entry(each, metric, usual) for each in by_arm.values())
        yield f"| {task}{' =' if is_tie(drawn) else ''} | {bound} % | {shown} | {lead(by_arm, metric)} |"


def together(rows: pd.DataFrame) -> Iterator[str]:
    """What all arms deliver for four bounds in the same time together, the engine by one supernet."""
    bounds = ", ".join(map(str, SWEPT))
    names = ["sweep", *ARMS]
    yield f"Mean over FLOPs of at most {bounds} % of the largest network's:"
    yield ""
    yield f"| task | {' | '.join(names)} | sweep minus best other |"
    yield f"| --- | {' | '.join('---' for _ in names)} | --- |"
    for task, part in rows.groupby("task", sort=False):
        metric = part["metric"].iloc[0]
        by_arm = {arm: mean_over_bounds(part[part["arm"] == arm]) for arm in names}
        shown = [f"{mean(each['test'], metric)} ({len(each)})" if len(each) else "-" for each in by_arm.values()]
        yield f"| {task} | {' | '.join(shown)} | {lead(by_arm, metric, 'sweep')} |"


def mean_over_bounds(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each seed for which all bounds are there."""
    tests = rows.pivot_table(index="seed", columns="bound", values="test").reindex(columns=SWEPT).dropna()
    return tests.mean(axis=1).rename("test").reset_index()


def is_tie(drawn: pd.DataFrame) -> bool:
    if drawn.empty:
        return False
    return bool(drawn["test"].max() - drawn["test"].min() < LEAST_RANGE[drawn["metric"].iloc[0]])


def entry(rows: pd.DataFrame, metric: str, usual: float) -> str:
    """What an arm delivered, with its marks.

    Args:
        usual: milliseconds that the fixed piece of work took, for all arms of the cell.
    """
    if rows.empty:
        return "-"
    late = " †" if (rows["cpu_seconds"] > OVERRUN * rows["budget"]).any() else ""
    speed = " ‡" if abs(rows["reference_ms"].mean() / usual - 1) > OTHER_SPEED else ""
    return f"{mean(rows['test'], metric)} ({len(rows)}){late}{speed}"


def lead(by_arm: dict[str, pd.DataFrame], metric: str, leader: str = "engine") -> str:
    """Positive where the engine is better, with the standard error of the difference over seeds."""
    sign = 1 if metric == "accuracy" else -1
    means = {arm: sign * rows["test"].mean() for arm, rows in by_arm.items() if len(rows)}
    own = means.pop(leader, None)
    if own is None or not means:
        return "-"
    best = max(means, key=lambda arm: means[arm])
    pairs = by_arm[leader].merge(by_arm[best], on="seed")
    error = (pairs["test_x"] - pairs["test_y"]).sem() if len(pairs) > 1 else float("nan")
    factor, unit = (100, " points") if metric == "accuracy" else (1, " bits")
    spread = f" ± {factor * error:.2f}" if len(pairs) > 1 else ""
    return f"{factor * (own - means[best]):+.2f}{unit}{spread} ({best})"


def mean(values: pd.Series, metric: str) -> str:
    return (
        f"{number(values.mean(), metric)} ± {number(values.std(), metric)}"
        if len(values) > 1
        else number(values.iloc[0], metric)
    )


def number(value: float, metric: str) -> str:
    return f"{100 * value:.2f}" if metric == "accuracy" else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, default=HERE / "rows.csv")
    parser.add_argument("--out", type=Path, default=HERE / "README.md")
    asked = parser.parse_args()
    text = page(pd.read_csv(asked.rows))
    asked.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
