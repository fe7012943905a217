"""What the runs say against the published table: summary.csv and README.md."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from nas.files import write_file

__all__ = ["best_scored", "summarise"]

BEST_OF = (1, 2, 5, 10, 50)


def best_scored(scores: pd.DataFrame) -> int:
    """The number of the cell of the highest accuracy, of equals that of the lowest loss."""
    best = scores.sort_values(["accuracy", "loss"], ascending=[False, True], kind="stable").iloc[0]
    return int(best["cell"])


def summarise(
    table: pd.DataFrame, cells: pd.DataFrame, stored: Mapping[str, pd.DataFrame], about: str, folder: Path
) -> None:
    """Writes summary.csv, a row a run, and README.md.

    Args:
        table: every cell's ``key``, ``test_acc`` and ``rank``.
        cells: those that the supernets scored, with ``params`` and ``flops`` besides.
        stored: the tables runs, probabilities and scores.
        about: how the supernets were trained and evaluated.
    """
    rows = pd.DataFrame(list(_judged(table, cells, stored)))
    write_file(folder / "summary.csv", rows.to_csv(index=False, float_format="%.4g"))
    methods = _by_method(rows, table)
    text = _README.format(
        about=about,
        methods=_lines(methods),
        worst=f"{(_separable(table) == 0).mean():.0%}".replace("%", " %"),
        worst_accuracy=table["test_acc"][_separable(table) == 0].mean(),
        rest_accuracy=table["test_acc"][_separable(table) > 0].mean(),
        rest_spread=table["test_acc"][_separable(table) > 0].std(),
        verdict=_verdict(rows, table, cells),
        baselines=_lines(_baselines(table, cells)),
        probabilities=_lines(_learnt(table, stored["probabilities"])),
        chance=1.96 * (2 * (2 * len(cells) + 5) / (9 * len(cells) * (len(cells) - 1))) ** 0.5,
        cells=len(cells),
    )
    write_file(folder / "README.md", text)
    print(_lines(methods))


def expected_best(accuracies: pd.Series, n: int) -> float:
    """Of n cells drawn at random, with replacement."""
    ordered = np.sort(accuracies.to_numpy())
    below = np.arange(len(ordered) + 1) / len(ordered)
    return float(ordered @ np.diff(below**n))


def _judged(table: pd.DataFrame, cells: pd.DataFrame, stored: Mapping[str, pd.DataFrame]) -> Iterator[dict]:
    truth = table.set_index("key")
    rest = (_separable(cells) > 0).to_numpy()
    for run in stored["runs"].to_dict("records"):
        scores, probabilities = (_of(stored[name], run) for name in ("scores", "probabilities"))
        scores = scores.sort_values("cell")
        picked = truth.loc[cells["key"].iloc[best_scored(scores)]]
        derived = truth.loc[run["derived"]]
        yield {
            "method": run["method"],
            "seed": run["seed"],
            "normal": derived["normal"],
            "reduce": derived["reduce"],
            "accuracy": derived["test_acc"],
            "rank": derived["rank"],
            "better_pct": 100 * (table["test_acc"] > derived["test_acc"]).mean(),
            "picked_accuracy": picked["test_acc"],
            "picked_rank": picked["rank"],
            "tau_accuracy": _tau(scores["accuracy"], cells["test_acc"]),
            "tau_loss": _tau(-scores["loss"], cells["test_acc"]),
            "tau_accuracy_rest": _tau(scores["accuracy"][rest], cells["test_acc"][rest]),
            "tau_probabilities": _tau(_likelihood(cells, probabilities), cells["test_acc"])
            if len(probabilities)
            else np.nan,
            "entropy": _entropy(probabilities) if len(probabilities) else np.nan,
            "training_s": run["training_s"],
            "scoring_s": run["scoring_s"],
        }


def _of(rows: pd.DataFrame, run: Mapping) -> pd.DataFrame:
    return rows[(rows["method"] == run["method"]) & (rows["seed"] == run["seed"])]


def _tau(scores: pd.Series, truth: pd.Series) -> float:
    return float(kendalltau(scores.to_numpy(), truth.to_numpy()).statistic)


def _separable(cells: pd.DataFrame) -> pd.Series:
    """How many of the two edges of stride two, which are in the reduction cell, are separable convolutions."""
    first, second, _ = (cells["reduce"].str.split("|").str[edge].str.startswith("sep") for edge in range(3))
    return first.astype(int) + second.astype(int)


def _likelihood(cells: pd.DataFrame, probabilities: pd.DataFrame) -> pd.Series:
    """The logarithm of the probability of each cell, choices drawn one by one."""
    learnt = np.log(probabilities.set_index(["choice", "option"])["probability"].clip(lower=1e-30)).to_dict()
    return cells["key"].map(lambda key: sum(learnt[choice] for choice in json.loads(key).items()))


def _entropy(probabilities: pd.DataFrame) -> float:
    """Mean of the choices, as a share of that of the uniform distribution."""
    p = probabilities["probability"].clip(lower=1e-30)
    totals = (-p * np.log(p)).groupby(probabilities["choice"]).sum()
    return float(totals.mean() / np.log(probabilities["option"].nunique()))


def _by_method(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for method, group in rows.groupby("method", sort=False):
        mean = group["accuracy"].mean()
        lines.append(
            {
                "method": method,
                "seeds": len(group),
                "derived cell, true accuracy (%)": _spread(group["accuracy"], 2),
                "its ranks": ", ".join(f"{rank:,}" for rank in group["rank"]),
                "cells that are better": f"{group['better_pct'].mean():.0f} %",
                "as good as the best of n random": _equivalent(table["test_acc"], mean),
                "tau of scores": _spread(group["tau_accuracy"], 3),
                "the same without the worst": _spread(group["tau_accuracy_rest"], 3),
                "tau of losses": _spread(group["tau_loss"], 3),
                "tau of probabilities": _spread(group["tau_probabilities"], 3),
                "best scored of those cells, true accuracy (%)": _spread(group["picked_accuracy"], 2),
                "CPU minutes": f"{(group['training_s'] + group['scoring_s']).mean() / 60:.1f}",
            }
        )
    return pd.DataFrame(lines)


def _spread(values: pd.Series, digits: int) -> str:
    if values.isna().any():
        return ""
    spread = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def _equivalent(accuracies: pd.Series, mean: float) -> str:
    """The largest n of which the best is expected to be no better."""
    n = 0
    while n < 1000 and expected_best(accuracies, n + 1) <= mean:
        n += 1
    return f"{n}" if n else "none"


def _baselines(table: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    accuracies = table["test_acc"]
    values = {
        "a random cell, mean ± standard deviation": _spread(accuracies, 2),
        "the median cell": f"{accuracies.median():.2f}",
        **{f"best of {n} random cells, expected": f"{expected_best(accuracies, n):.2f}" for n in BEST_OF[1:]},
        "best of the table": f"{accuracies.max():.2f}",
        "tau of the number of parameters": f"{_tau(cells['params'], cells['test_acc']):.3f}",
        "tau of FLOPs": f"{_tau(cells['flops'], cells['test_acc']):.3f}",
        "tau of the number of separable convolutions on edges of stride two": (
            f"{_tau(_separable(cells), cells['test_acc']):.3f}"
        ),
    }
    return pd.DataFrame({"baseline": values.keys(), "value": values.values()})


def _verdict(rows: pd.DataFrame, table: pd.DataFrame, cells: pd.DataFrame) -> str:
    """Which methods lose to random cells, in accuracy or in rank, and whose scores order cells worse than FLOPs do."""
    means = rows.groupby("method", sort=False)[["accuracy", "better_pct", "tau_accuracy"]].mean()
    losers = {
        "whose derived cells are on average less accurate than a random cell": means["accuracy"]
        < table["test_acc"].mean(),
        "whose derived cells are beaten by more than half of all cells": means["better_pct"] > 50,
        "whose supernets order cells worse than their FLOPs do": means["tau_accuracy"]
        < _tau(cells["flops"], cells["test_acc"]),
    }
    return "\n".join(f"- Methods {what}: {', '.join(means.index[lost]) or 'none'}." for what, lost in losers.items())


def _learnt(table: pd.DataFrame, probabilities: pd.DataFrame) -> pd.DataFrame:
    """By place: the mean true accuracy of the cells that have an operation there, and its mean probability."""
    true = pd.DataFrame([json.loads(key) for key in table["key"]])
    accuracies = pd.DataFrame(
        [
            {"place": _place(choice), "method": "*mean true accuracy (%)*", **table["test_acc"].groupby(values).mean()}
            for choice, values in true.items()
        ]
    )
    wide = probabilities.pivot_table(
        index=["method", "seed", "choice"], columns="option", values="probability", sort=False
    ).reset_index()
    learnt = wide.assign(place=wide["choice"].map(_place)).drop(columns=["seed", "choice"])
    means = pd.concat([each.groupby(["place", "method"], sort=False).mean() for each in (accuracies, learnt)])
    return means.sort_index(level="place", sort_remaining=False, kind="stable").reset_index().map(_short)


def _place(choice: str) -> str:
    """The edges that do the same in a cell."""
    kind, edge = choice.split(".edge_")
    return kind if kind == "normal" else f"{kind}, stride {1 if edge.startswith('1') else 2}"


def _short(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _lines(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    rows = [table.columns, ["---"] * len(table.columns), *table.to_numpy()]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


_README = """# Ranking of the TangleNAS cells on Fashion-MNIST

{about}

Ground truth is the published table of all 4,096 cells (`tanglenas_toy`). Its accuracies are **test accuracies of one
training seed each**, so nobody knows how far two trainings of one cell differ, and differences of a few tenths of a
percent mean little. One mistake matters: dilated convolutions on both edges of stride two, as {worst} of the cells have
them ({worst_accuracy:.2f} % on average; the others {rest_accuracy:.2f} ± {rest_spread:.2f} %). Mean ± standard deviation is over seeds, which draw
the images, the first weights and the batches.

{methods}

- *derived cell*: what the method proposes; for spos, which learns no probabilities, the best scored of the {cells}
  cells.
- *as good as the best of n random*: the largest n of which the best random cell is expected to be no better than the
  mean of the derived cells.
- *tau of scores*: Kendall's tau-b, over {cells} random cells (the same for all), of the true accuracy with the
  validation accuracy of the cell in the supernet, batch norm recalibrated; *without the worst*: over those of them that
  avoid the one mistake; *of losses*: with the negative loss of these images; *of probabilities*: with the probability
  of the cell under the learnt distribution. Unrelated orders give values within ±{chance:.2f} in 95 of 100 cases.

## Which methods lose to random
{verdict}

{baselines}

Parameters and FLOPs are those of the published networks, counted by this package, since the table's own parameters
are counted with the two types of cells exchanged. Its accuracies are not: of the three edges of the cell that it calls
the reduction cell two differ from the third, those of stride two, while the three of the other cell are alike.

## What the probabilities say
Mean over seeds and over the edges that do the same in a cell.

{probabilities}

Command, which goes on where it was stopped: `OMP_NUM_THREADS=1 python results/benchmarks/ranking_toy_cell/ranking.py`
"""
