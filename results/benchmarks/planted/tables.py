"""The tables of the README, from what planted.py found.

Run from the repository root:  python results/benchmarks/planted/tables.py
"""

from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parent
OPERATIONS = ("conv", "skip", "noise", "zero")


def operations_table(table: pd.DataFrame) -> str:
    """Of each method what its probabilities and its rule chose, and the probabilities themselves."""
    shares = [f"p({each})" for each in OPERATIONS]
    lines = _head("method", "epochs", "arch lr", "edges", "clear", *OPERATIONS, *shares, "by its rule", "s")
    for name, group in table.groupby("method", sort=False):
        taken, count = group["likeliest"].value_counts(), len(group)
        clear = 1 - (taken.get("zero", 0) + taken.get("noise", 0)) / count
        rule = group["proposed"].value_counts()
        lines.append(
            _row(
                name,
                *_schedule(group),
                count,
                f"{clear:.0%}",
                *(int(taken.get(each, 0)) for each in OPERATIONS),
                *(_spread(group.groupby("seed")[share].mean()) for share in shares),
                ", ".join(f"{number} {each}" for each, number in rule.items()),
                f"{group['seconds'].median():.1f}",
            )
        )
    return "\n".join(lines)


def distillation_table(table: pd.DataFrame) -> str:
    """DARTS with and without self-distillation on the same seeds: sharpness and what is lost when made discrete."""
    lines = _head("", "darts", "sd-darts", "seeds in which sd-darts has less")
    for column in ("sharpness", "gap"):
        one, two = (table[table["method"] == name].groupby("seed")[column].first() for name in ("darts", "sd-darts"))
        lines.append(_row(column, _spread(one, 3), _spread(two, 3), f"{int((two < one).sum())} of {len(one)}"))
    return "\n".join(lines)


def prices_table(table: pd.DataFrame) -> str:
    """Expected cost, and what was chosen, by the weight of the cost."""
    lines = _head("weight", "expected cost", *OPERATIONS)
    for weight, group in table.groupby("weight"):
        taken = group["likeliest"].value_counts()
        counts = (int(taken.get(each, 0)) for each in OPERATIONS)
        lines.append(_row(weight, _spread(group.groupby("seed")["expected"].first()), *counts))
    return "\n".join(lines)


def kernels_table(table: pd.DataFrame) -> str:
    """How often each method chose the planted kernel."""
    lines = _head(
        "planted", "method", "epochs", "arch lr", "layers", "right", "too small", "too large", "p(right)", "s"
    )
    for (planted, name), group in table.groupby(["planted", "method"], sort=False):
        layer = group["choice"].str[-1].astype(int)
        right = layer.map(dict(enumerate(map(int, str(planted).split("-")))))
        p = pd.Series([row[f"p({size})"] for (_, row), size in zip(group.iterrows(), right, strict=True)], group.index)
        taken = group["likeliest"]
        counts = (int(each.sum()) for each in (taken == right, taken < right, taken > right))
        spread, seconds = _spread(p.groupby(group["seed"]).mean()), f"{group['seconds'].median():.1f}"
        lines.append(_row(planted, name, *_schedule(group), len(group), *counts, spread, seconds))
    return "\n".join(lines)


def networks_table(table: pd.DataFrame) -> str:
    """Accuracy and loss of networks of given kernels."""
    lines = _head("planted", "kernels", "accuracy", "loss")
    for keys, group in table.groupby(["planted", "kernels"], sort=False):
        lines.append(_row(*keys, _spread(group["accuracy"], 3), _spread(group["loss"], 3)))
    return "\n".join(lines)


def _head(*names: str) -> list[str]:
    return [_row(*names), _row(*("---" for _ in names))]


def _row(*values: Any) -> str:
    return f"| {' | '.join(map(str, values))} |"


def _spread(values: pd.Series, digits: int = 2) -> str:
    return f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"


def _schedule(group: pd.DataFrame) -> tuple[Any, Any]:
    return group["epochs"].iloc[0], group["arch_lr"].iloc[0]


def main() -> None:
    operations, prices, kernels, networks = (
        pd.read_csv(FOLDER / f"{name}.csv") for name in ("operations", "prices", "kernels", "networks")
    )
    tables = [
        operations_table(operations),
        distillation_table(operations),
        prices_table(prices),
        kernels_table(kernels),
        networks_table(networks),
    ]
    print("\n\n".join(tables))


if __name__ == "__main__":
    main()
