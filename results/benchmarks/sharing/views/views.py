"""Do banks help where architectures conflict by construction? One small net shared by 24 views of Fashion-MNIST.

Run from the repository root; rows that are there are not trained again, so the command continues where it was stopped:
    NAS_SHARED_DATA=DATA OMP_NUM_THREADS=1 python results/benchmarks/sharing/views/views.py
Writes runs.csv, a row for each training, and README.md; see about.md.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import rotate
from scipy.stats import kendalltau
from torch import Tensor, nn
from views_page import page

from nas import Choice, Supernet
from nas.data import ImageSplit, load
from nas.files import write_file
from nas.methods import METHODS
from nas.nn import Elastic
from nas.nn.gate import single_value
from nas.problem import Problem
from nas.sampling import Uniform
from nas.sharing import OneBank, Shared, Sharing
from nas.sharing.bank import fresh
from nas.space import Architecture
from nas.streams import Stream, derive_seed
from nas.training import CrossEntropy, Phase, Recipe, SupernetStep, train_phases

HERE = Path(__file__).parent
DATA = Path(os.environ.get("NAS_SHARED_DATA", "data")) / "fashion_mnist"
PIXELS, IMAGES, TESTED, HIDDEN, BATCH = 14, 6_400, 3_000, 24, 64
VIEWS, BANKS = 24, 4
WINDOWS = (5, 6, 7, 8, 9, 10, 12, 14)
BUDGETS, ALONE = (1_200, 4_800), 1_000
"""Steps of all banks together; and of each network of the truth."""


def scenes() -> list[tuple[float, int]]:
    """Of each view how far it turns the picture, in degrees, and the side in pixels of the square that can be seen."""
    windows = np.random.default_rng(5).permutation(VIEWS) % len(WINDOWS)
    return [(turn, WINDOWS[each]) for turn, each in zip(np.linspace(0, 180, VIEWS), windows, strict=True)]


def matrix(turn: float, window: int) -> Tensor:
    """``[pixels, pixels]``, by which the pixels of a picture are multiplied to see it so."""
    pictures = np.eye(PIXELS**2).reshape(-1, PIXELS, PIXELS)
    edge = (PIXELS - window) // 2
    seen = np.zeros((PIXELS, PIXELS))
    seen[edge : edge + window, edge : edge + window] = 1
    turned = rotate(pictures * seen, turn, axes=(1, 2), reshape=False, order=1, mode="constant", cval=0)
    return torch.tensor(turned.reshape(PIXELS**2, -1), dtype=torch.float32)


@cache
def matrices() -> list[Tensor]:
    """Of all views."""
    return [matrix(*each) for each in scenes()]


class View(Elastic):
    """Shows a picture as the choice says, flat ``[N, pixels]``."""

    def __init__(self) -> None:
        super().__init__()
        self.arguments = {"view": Choice(range(VIEWS), name="view")}

    def configure(self, gates: Any) -> None:
        self.number = int(single_value(self.arguments["view"], gates, "view"))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ matrices()[self.number]

    def plain(self, copy: Any) -> nn.Module:
        layer = nn.Linear(PIXELS**2, PIXELS**2, bias=False)
        layer.weight = nn.Parameter(matrices()[self.number].T.clone(), requires_grad=False)
        return nn.Sequential(nn.Flatten(), layer)


class Fixed(OneBank):
    """Each view has a bank that was decided beforehand; banks begin as those of a balanced mixture do."""

    name = "fixed"

    def __init__(self, banks: Sequence[int], seed: int) -> None:
        super().__init__(max(banks) + 1)
        self.by_view, self.seed = list(banks), seed

    def bank_of(self, architecture: Architecture) -> int:
        return self.by_view[architecture["view"]]

    def first_tensors(self, model: nn.Module, bank: int) -> Mapping[str, Tensor]:
        return fresh(model, derive_seed(self.seed, Stream.BANK_WEIGHTS, bank))


@dataclass(frozen=True)
class Arm:
    """How views share weights.

    Attributes:
        banks: seed → the bank of each view; None where a method decides.
        method: that trains it.
        options: of the scheme of the method.
    """

    banks: Any = None
    method: str = ""
    options: Mapping[str, Any] | None = None


def _mixture(scores: str) -> Arm:
    return Arm(method="balanced-mixture", options={"models": BANKS, "scores": scores})


ARMS = {
    "shared": Arm(lambda seed: [0] * VIEWS),
    "random fixed": Arm(lambda seed: np.random.default_rng(seed).permutation(np.arange(VIEWS) % BANKS).tolist()),
    "published": _mixture("published"),
    "table": _mixture("table"),
    "paired": _mixture("paired"),
    "oracle": Arm(lambda seed: (np.arange(VIEWS) * BANKS // VIEWS).tolist()),
    "alone": Arm(lambda seed: list(range(VIEWS))),
}
"""The oracle has views with neighbouring turns together; ``alone`` has a bank for each view."""


def row_of(arm: Arm, steps: int, seed: int, truth: Sequence[float] | None = None) -> dict[str, Any]:
    """Trains an arm; test accuracies in percent by view, and how they agree with the truth."""
    data = load("fashion_mnist", data_dir=DATA, image_size=PIXELS, limit=IMAGES)
    epochs = max(1, steps * BATCH // IMAGES)
    recipe = Recipe(epochs=epochs, batch_size=BATCH, learning_rate=0.05, weight_decay=0.0, warmup_epochs=0.0)
    torch.manual_seed(derive_seed(seed, Stream.SUPERNET_WEIGHTS))
    model = nn.Sequential(View(), nn.Linear(PIXELS**2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
    supernet = Supernet(model, sharing_of(arm, seed))
    started = time.process_time()
    if arm.method:
        problem = Problem(supernet, data, seed, recipe)
        phases = [_unchanged(each) for each in METHODS[arm.method].phases(problem)]
    else:
        phases = [Phase(SupernetStep(supernet, Uniform(supernet.space, seed), [CrossEntropy()]), data.train, recipe)]
    history = train_phases(phases, seed=seed)
    seconds = time.process_time() - started
    accuracies = accuracies_of(supernet, data.test)
    found = {"accuracies": " ".join(f"{each:.2f}" for each in accuracies), "cpu_seconds": round(seconds, 1)}
    return found | history[-1].get("mixture", {}) | (against(accuracies, truth) if truth else {})


def sharing_of(arm: Arm, seed: int) -> Sharing:
    if arm.method:
        return METHODS[arm.method].make_sharing(dict(arm.options or {}), seed)
    banks = arm.banks(seed)
    return Fixed(banks, seed) if max(banks) else Shared()


def _unchanged(phase: Phase) -> Phase:
    """Without the flips and shifts of the data, which are views as well."""
    return Phase(phase.step, phase.data, phase.recipe, None, phase.listeners)


@torch.no_grad()
def accuracies_of(supernet: Supernet, split: ImageSplit) -> list[float]:
    x, y = next(iter(split.batches(TESTED)))
    found = []
    for architecture in supernet.space:
        supernet.activate(architecture)
        found.append(100 * float((supernet(x).argmax(1) == y).float().mean()))
    return found


def against(accuracies: Sequence[float], truth: Sequence[float]) -> dict[str, float]:
    """Kendall's tau; mean accuracy; mean and standard deviation of what is lacking of the truth; regret of the best."""
    gaps = np.subtract(truth, accuracies)
    return {
        "tau": float(kendalltau(accuracies, truth).statistic),
        "accuracy": float(np.mean(accuracies)),
        "gap": float(gaps.mean()),
        "gap_sd": float(gaps.std()),
        "regret": float(max(truth) - truth[int(np.argmax(accuracies))]),
    }


def stored(rows: Path) -> pd.DataFrame:
    return pd.read_csv(rows) if rows.exists() else pd.DataFrame({"arm": [], "steps": [], "seed": []})


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, nargs="+", default=list(BUDGETS))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--alone", type=int, default=ALONE, help="steps of each network of the truth")
    parser.add_argument("--rows", type=Path, default=HERE / "runs.csv")
    given = parser.parse_args(words)
    torch.set_num_threads(1)

    def accuracies(this: dict[str, Any], arm: Arm, steps: int, truth: Sequence[float] | None) -> list[float]:
        done = stored(given.rows)
        if not (same := (done[list(this)] == pd.Series(this)).all(axis=1)).any():
            row = this | row_of(arm, steps, this["seed"], truth)
            done = pd.concat([done, pd.DataFrame([row])], ignore_index=True) if len(done) else pd.DataFrame([row])
            write_file(given.rows, done.to_csv(index=False, float_format="%.6g"))
            print(row, flush=True)
            same = (done[list(this)] == pd.Series(this)).all(axis=1)
        return [float(each) for each in done[same]["accuracies"].iloc[0].split()]

    alone = [
        accuracies(
            {"arm": "truth", "steps": given.alone * VIEWS, "seed": 1000 + each},
            ARMS["alone"],
            given.alone * VIEWS,
            None,
        )
        for each in range(2)
    ]
    truth = np.mean(alone, axis=0).tolist()
    for steps in given.steps:
        for seed in range(given.seeds):
            for name in given.arms:
                accuracies({"arm": name, "steps": steps, "seed": seed}, ARMS[name], steps, truth)
    write_file(given.rows.with_name("README.md"), page(stored(given.rows), given.arms))


if __name__ == "__main__":
    main()
