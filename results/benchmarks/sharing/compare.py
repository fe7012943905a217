"""Do supernets that share less rank architectures better? Pooling placements and cells, several schemes and budgets.

Run from the repository root, after ground_truth_pooling.py:
    OMP_NUM_THREADS=1 python results/benchmarks/sharing/compare.py pooling
    OMP_NUM_THREADS=1 python results/benchmarks/sharing/compare.py toy_cell
Trains a supernet for each scheme, budget and seed, some minutes each; one that is in runs_<task>.csv is not trained
again, so the command continues where it was stopped. Writes runs_<task>.csv and scores_<task>.csv; summary.py reads them.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pooling
import torch
import toy_cell
from torch import nn

from nas import Supernet
from nas.data import ImageData
from nas.evaluation import SharedWeights
from nas.files import write_file
from nas.methods import METHODS
from nas.problem import Problem
from nas.space import Architecture
from nas.training import Epoch, Recipe, train_phases

HERE = Path(__file__).parent
SEEDS = range(3)
BANKS = 4
BUDGETS = {"total": 1, "per bank": BANKS}
"""Equal steps altogether, or for each of four banks; times the epochs of the task's recipe."""

LAST = 3
"""So many epochs at the end are scored, the last of all architectures, the others of at most ``_FEW``."""

_FEW = 100


@dataclass(frozen=True)
class Task:
    """A space with data and a recipe, and how its schemes are called and set.

    Attributes:
        images: seed → the data.
        model: the data → the model with choices.
        recipe: of a supernet at the smaller budget.
        truth: a row for each architecture to score, with its ``key``.
        schemes: name → the method whose scheme and step are used, and the scheme's options.
    """

    images: Callable[[int], ImageData]
    model: Callable[[ImageData], nn.Module]
    recipe: Recipe
    truth: Callable[[], pd.DataFrame]
    schemes: Mapping[str, tuple[str, Mapping[str, Any]]]


_SHARED = {"shared": ("spos", {})}
_BALANCED = {"balanced": ("balanced-mixture", {"models": BANKS})}
_BALANCED_BY_TWO = {
    "balanced": ("balanced-mixture", {"models": BANKS, "choices": ["normal.edge_0_1", "normal.edge_0_2"]})
}
"""Scores of all 4,096 cells would hardly be told once; the first two choices have 16 assignments."""

_SPLIT = {"few-shot": ("few-shot", {}), "gradient-matching": ("gradient-matching", {"repeats": 10})}

TASKS = {
    "pooling": Task(
        lambda seed: pooling.images(),
        lambda data: pooling.supernet().model,
        pooling.RECIPE.model_copy(update={"epochs": 8}),
        pooling.placements,
        _SHARED | _BALANCED,
    ),
    "toy_cell": Task(
        toy_cell.images, toy_cell.model, toy_cell.RECIPE, toy_cell.truth, _SHARED | _BALANCED_BY_TWO | _SPLIT
    ),
}


def run(task: Task, scheme: str, budget: str, seed: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """Trains a supernet and scores architectures in its last epochs; what it took, and the scores."""
    name, options = task.schemes[scheme]
    method, data, keys = METHODS[name], task.images(seed), task.truth()["key"].tolist()
    recipe = task.recipe.model_copy(update={"epochs": task.recipe.epochs * BUDGETS[budget]})
    torch.manual_seed(seed)
    supernet = Supernet(task.model(data), method.make_sharing(options, seed))
    problem = Problem(supernet, data, seed, recipe)
    architectures = [supernet.space.architecture(Architecture.from_json(key)) for key in keys]
    scores: list[pd.DataFrame] = []
    epochs: list[Epoch] = []

    def score(epoch: Epoch) -> None:
        epochs.append(epoch)
        left = recipe.epochs - 1 - epoch["epoch"]
        if left < LAST:
            some = architectures if left == 0 else architectures[:_FEW]
            found = SharedWeights(supernet, data, 256, batch_size=250)(some)
            scores.append(found[["accuracy", "loss"]].assign(key=[each.key for each in some], epoch=epoch["epoch"]))

    started = time.process_time()
    train_phases(method.phases(problem), seed=seed, on_epoch=score)
    row = {
        "epochs": recipe.epochs,
        "cpu_seconds": time.process_time() - started,
        "loss": epochs[-1]["loss"],
        "paths_by_bank": "/".join(map(str, _sums(epochs))),
        "parameters": sum(parameter.numel() for parameter in supernet.parameters()),
    }
    return row, pd.concat(scores, ignore_index=True)


def _sums(epochs: Sequence[Epoch]) -> list[int]:
    """Paths that trained each bank, over all epochs."""
    told = [epoch["paths_by_bank"] for epoch in epochs if "paths_by_bank" in epoch]
    return [sum(each) for each in zip(*told, strict=True)]


def stored(name: str) -> pd.DataFrame:
    path = HERE / f"{name}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame({"scheme": [], "budget": [], "seed": []})


def store(name: str, rows: pd.DataFrame) -> None:
    before = stored(name)
    joined = pd.concat([before, rows], ignore_index=True) if len(before) else rows
    write_file(HERE / f"{name}.csv", joined.to_csv(index=False, float_format="%.6g"))


def main(name: str) -> None:
    torch.set_num_threads(1)
    task = TASKS[name]
    for budget in BUDGETS:
        for seed in SEEDS:
            for scheme in task.schemes:
                this = {"scheme": scheme, "budget": budget, "seed": seed}
                done = stored(f"runs_{name}")
                if (done[list(this)] == pd.Series(this)).all(axis=1).any():
                    continue
                row, scores = run(task, scheme, budget, seed)
                store(f"scores_{name}", scores.assign(**this))
                store(f"runs_{name}", pd.DataFrame([{**this, **row}]))
                print(this, row, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
