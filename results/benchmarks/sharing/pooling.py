"""What the comparisons of sharing schemes on pooling placements have in common: data, space and recipe.

Reads cifar10/ from the folder named by NAS_SHARED_DATA (default: data in the current folder).
"""

import os
from pathlib import Path

import pandas as pd

from nas import Supernet
from nas.data import Data, load
from nas.space import Architecture
from nas.training import Recipe
from search_spaces.resnet_pooling import resnet_pooling

HERE = Path(__file__).parent
DATA = Path(os.environ.get("NAS_SHARED_DATA", "data"))
TRUTH = HERE / "ground_truth_pooling.csv"
"""What ``ground_truth_pooling.py`` writes."""

PIXELS, IMAGES = 16, 10_000
BLOCKS, WIDTHS = 7, (8, 16, 32)
RECIPE = Recipe(epochs=12, batch_size=64, learning_rate=0.1, weight_decay=5e-4)
"""Of a network that is trained alone."""


def images() -> Data:
    """Small CIFAR-10, the same for every seed; the test images are not looked at."""
    return load("cifar10", data_dir=DATA / "cifar10", image_size=PIXELS, limit=IMAGES)


def supernet() -> Supernet:
    """All 21 placements of two halvings among the blocks; weights are drawn from torch's global generator."""
    return Supernet(resnet_pooling((3, PIXELS, PIXELS), classes=10, blocks=BLOCKS, widths=WIDTHS))


def placements() -> pd.DataFrame:
    """All of them, as architectures' keys."""
    options = supernet().options["downsampling"]
    return pd.DataFrame({"key": [Architecture({"downsampling": option}).key for option in options]})
