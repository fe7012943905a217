"""What is competed for: data, space and recipe of each task, and what all arms are given of a cell."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import nas
from nas.costs import StaticCosts
from nas.data import Data, ImageData, Split, load
from nas.evaluation import evaluate, groups_of
from nas.setup.spaces import build_space
from nas.space import Architecture
from nas.training import Recipe

__all__ = ["CONTESTS", "SWEPT", "Cell", "Clock", "Contest", "Delivered", "Problem"]

SWEPT = (50, 40, 30, 25)
"""Bounds that one supernet answers in the arm "sweep", in per cent of the largest network's FLOPs."""
_SGD = Recipe(learning_rate=0.1, batch_size=64)
_IMAGES = {"width_multipliers": [0.5, 1.0], "expansions": [3, 4, 6], "stem": 16, "head": 96}


@dataclass(frozen=True)
class Contest:
    """A task with the space that is searched for it.

    Attributes:
        load: arguments of `nas.data.load` but for folder and seed.
        folder: of its files, below ``--data-dir``; None where the data ship.
        space_args: all of them, so that the network with scaled widths can be told the same.
        recipe: by which every arm trains a network alone; its ``warmup_epochs`` and ``epochs`` give way to time.
    """

    load: Mapping[str, Any]
    folder: str | None
    space: str
    space_args: Mapping[str, Any]
    recipe: Recipe


CONTESTS = {
    "fm14": Contest(
        {"name": "fashion_mnist", "image_size": 14, "limit": 5000},
        "fashion_mnist",
        "mobilenet",
        {**_IMAGES, "widths": [16, 24, 32], "strides": [2, 2, 2], "depths": [1, 2], "kernels": [3, 5]},
        _SGD,
    ),
    "cifar16": Contest(
        {"name": "cifar10", "image_size": 16, "limit": 10000},
        "cifar10",
        "mobilenet",
        {**_IMAGES, "widths": [16, 24, 40], "strides": [1, 2, 2], "depths": [1, 2, 3], "kernels": [3, 5]},
        _SGD,
    ),
    "noisy_digits": Contest(
        {"name": "noisy_digits"},
        None,
        "mobilenet",
        {**_IMAGES, "widths": [16, 24, 40], "strides": [1, 2, 2], "depths": [1, 2, 3], "kernels": [3, 5]},
        _SGD,
    ),
    "fm28": Contest(
        {"name": "fashion_mnist", "limit": 5000},
        "fashion_mnist",
        "mobilenet",
        {**_IMAGES, "widths": [16, 24, 40], "strides": [2, 2, 2], "depths": [1, 2, 3], "kernels": [3, 5, 7]},
        _SGD,
    ),
    "shakespeare": Contest(
        {"name": "text", "length": 64},
        "tinyshakespeare",
        "transformer_lm",
        {"widths": [32, 64, 96], "depths": [2, 3, 4], "heads": [2, 4, 6], "head_dim": 16, "ratios": [1, 2, 3]},
        Recipe(optimizer="adamw", learning_rate=3e-3, weight_decay=0.1, batch_size=32, clip=1.0),
    ),
}


@dataclass(frozen=True)
class Cell:
    """One row to be.

    Attributes:
        bound: most FLOPs, in per cent of the largest network's.
        budget: CPU seconds of the process.
        draw: which random network, of the arm "spread".
    """

    task: str
    bound: int
    budget: float
    arm: str
    seed: int
    draw: int = 0


class Clock:
    """CPU seconds of this process and its children since it was made."""

    def __init__(self, budget: float) -> None:
        self.budget, self._started = budget, self._now()

    @property
    def spent(self) -> float:
        return self._now() - self._started

    @property
    def left(self) -> float:
        return self.budget - self.spent

    @staticmethod
    def _now() -> float:
        import os

        times = os.times()
        return time.process_time() + times.children_user + times.children_system


@dataclass
class Delivered:
    """What an arm hands over, and when.

    Attributes:
        network: in evaluation mode or not; None where an arm has measured it itself, in ``figures``.
        architecture: as JSON.
        seconds: CPU seconds until it was there.
        details: whatever helps to understand a row.
        figures: test metric, interval, validation metric, where there is no network.
    """

    network: nn.Module | None
    architecture: str
    flops: float
    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] | None = None


class Problem:
    """A cell with everything that is read for it; reading is part of the time, except for imports.

    The splits are those that a search of `nas` with the same settings and seed has.
    """

    def __init__(self, cell: Cell, data_dir: Path | None) -> None:
        self.cell, self.contest, self.clock = cell, CONTESTS[cell.task], Clock(cell.budget)
        folder = self.contest.folder
        self.folder = data_dir / folder if folder is not None and data_dir is not None else None
        self.seed, self.recipe = cell.seed, self.contest.recipe

    @cached_property
    def data(self) -> Data:
        data = load(**self.contest.load, data_dir=self.folder, seed=self.seed)
        return data.laid_out(torch.channels_last) if isinstance(data, ImageData) else data

    @cached_property
    def supernet(self) -> nas.Supernet:
        return nas.Supernet(self.build())

    @cached_property
    def costs(self) -> StaticCosts:
        return StaticCosts(self.supernet, self.data.input_shape, self.data.input_dtype)

    @cached_property
    def largest_flops(self) -> int:
        return self.costs(self.supernet.space.largest())["flops"]

    @property
    def most_flops(self) -> float:
        return self.largest_flops * self.cell.bound / 100

    @cached_property
    def quick_validation(self) -> Split:
        """A part of the validation split by which unfinished candidates are compared."""
        share = 2000 / len(self.data.validation)
        return self.data.validation.divided(share, 0)[0] if share < 1 else self.data.validation

    def build(self, **arguments: Any) -> nn.Module:
        """The model of the space, with some other arguments."""
        settings = {**self.contest.space_args, **arguments}
        return build_space(
            self.contest.space, settings, self.data.input_shape, self.data.input_dtype, self.data.output_shape[0]
        )

    def flops(self, architecture: Architecture) -> int:
        return self.costs(architecture)["flops"]

    def is_feasible(self, architecture: Architecture) -> bool:
        return self.flops(architecture) <= self.most_flops

    def random(self, *seed: int) -> Architecture:
        """A random architecture within the bound."""
        draws = np.random.default_rng(seed)
        while True:
            architecture = self.supernet.space.sample(draws)
            if self.is_feasible(architecture):
                return architecture

    def fresh(self, architecture: Architecture, seed: int) -> nn.Module:
        """Its network with first weights of its own."""
        return nas.nn.initialise(self.supernet.extract(architecture), seed)

    def figures(self, network: nn.Module, split: Split) -> dict[str, float]:
        return evaluate(network, split.batches(256), self.data.task, groups_of(split))

    def score(self, network: nn.Module) -> float:
        """How good a network is by :attr:`quick_validation`; more is better."""
        metric = self.data.task.metric
        found = self.figures(network, self.quick_validation)[metric.name]
        return found if metric.maximise else -found

    @staticmethod
    def warm() -> None:
        """Lets PyTorch import what it imports when it is first used, before the clock starts."""
        torch.set_num_threads(1)
        network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(4, 2))
        for make in (torch.optim.SGD, torch.optim.AdamW):
            optimizer = make(network.parameters(), lr=0.1)
            network(torch.zeros(2, 1, 4, 4)).sum().backward()
            optimizer.step()
