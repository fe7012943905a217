"""What the comparisons of sharing schemes on the cell space of TangleNAS have in common: data, space, recipe, truth.

Reads fashion_mnist/ and tanglenas_toy/ from the folder named by NAS_SHARED_DATA (default: data in the current folder).
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
from torch import nn

from nas.data import ImageData, load
from nas.evaluation import ranking
from nas.space import Architecture
from nas.training import Recipe
from search_spaces.toy_cell import NOTATION, toy_cell

HERE = Path(__file__).parent
DATA = Path(os.environ.get("NAS_SHARED_DATA", "data"))

OWN = HERE / "ground_truth_toy_cell.csv"
"""What ``ground_truth_toy_cell.py`` writes."""

PIXELS, WIDTH, IMAGES, CELLS = 14, 16, 10_000, 250
RECIPE = Recipe(epochs=4, batch_size=64)
"""Of a supernet, at equal total steps."""


def images(seed: int) -> ImageData:
    """Small Fashion-MNIST; a quarter of the validation images is enough to evaluate many cells."""
    data = load("fashion_mnist", data_dir=DATA / "fashion_mnist", seed=seed, image_size=PIXELS, limit=IMAGES)
    judging, _ = data.validation.fraction(0.25, (seed, 5))
    return replace(data, validation=judging)


def model(data: ImageData) -> nn.Module:
    return toy_cell(data.input_shape, data.output_shape[0], width=WIDTH)


def published() -> nn.Module:
    """The space at the size of the published networks."""
    return toy_cell((1, 28, 28))


def truth() -> pd.DataFrame:
    """The same random cells for every supernet: ``key`` and ``truth``, test accuracy in percent of one training."""
    path = DATA / "tanglenas_toy" / "cell_fashion_mnist.parquet"
    if not path.exists():
        sys.exit(f"{path} does not exist; set NAS_SHARED_DATA to the folder that holds tanglenas_toy.")
    table = pd.read_parquet(path)[["normal", "reduce", "test_acc"]]
    cells = zip(table["normal"], table["reduce"], strict=True)
    table["key"] = [Architecture(NOTATION.parse(*cell)).key for cell in cells]
    drawn = table.sort_values("key").sample(CELLS, random_state=0)
    return drawn.rename(columns={"test_acc": "truth"})[["key", "truth"]].reset_index(drop=True)


def own_trainings() -> str:
    """How far two trainings of ours agree with each other and with the table, in words."""
    if not OWN.exists():
        return "not known, since the table holds one training of each cell"
    trainings = pd.read_csv(OWN).pivot(index="key", columns="seed", values="accuracy").dropna()
    published_accuracy = truth().set_index("key")["truth"].loc[trainings.index]
    first, second = (trainings[seed] for seed in trainings)
    with_table = [ranking.tau(trainings[seed], published_accuracy) for seed in trainings]
    return (
        f"{ranking.ceiling(first, second):.2f} between two trainings of ours at the size of the supernets (over "
        f"{len(trainings)} cells), {sum(with_table) / len(with_table):.2f} between one of ours and the table"
    )
