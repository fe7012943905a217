"""What all arms have in common: the cell, its clock, the data, the pretrained network, training and measuring."""

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from networks import NETWORKS
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import nas
from nas.data import Data, load
from nas.evaluation import evaluate, groups_of
from nas.hardware import Subject, make_target
from nas.streams import Stream

__all__ = ["WIDTHS", "Cell", "Contest", "Delivered"]

WIDTHS = (0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
_WARM_UP, _TAUGHT, _TEMPERATURE = 0.03, 0.5, 4.0
_RECIPES: dict[str, dict[str, Any]] = {
    "resnet": {"learning_rate": 0.1},
    "vit": {"optimizer": "adamw", "learning_rate": 0.002, "weight_decay": 0.05},
}
FINE = 0.3
"""Of the learning rate, for networks that begin with trained weights."""


@dataclass(frozen=True)
class Cell:
    """One row of the results.

    Attributes:
        network: a key of :data:`networks.NETWORKS`.
        share: per cent of the latency of the whole network.
        before: CPU seconds of the training before.
        after: CPU seconds of an arm.
        limit: training images.
    """

    network: str
    share: int
    before: float
    after: float
    limit: int
    arm: str
    seed: int


class Delivered(NamedTuple):
    """What an arm hands over: a network or the bytes of an ONNX file, and the figures that it has already."""

    network: nn.Module | bytes
    about: dict[str, Any]
    figures: dict[str, float] | None = None


class Contest:
    """A cell with everything that its arm needs.

    Args:
        work: folder where pretrained networks are kept.
    """

    def __init__(self, cell: Cell, folder: Path, work: Path) -> None:
        self.cell, self.folder, self.work = cell, folder, work
        self.recipe = nas.Recipe(**_RECIPES[cell.network])
        self.target = make_target("onnxruntime", threads=1)

    def start(self) -> None:
        """The clock of the arm."""
        self._started = time.process_time()

    @property
    def spent(self) -> float:
        return time.process_time() - self._started

    @property
    def settings(self) -> dict[str, Any]:
        """Of the data, as `nas search` takes them."""
        return {"image_size": 14, "limit": self.cell.limit}

    @cached_property
    def data(self) -> Data:
        read = load("fashion_mnist", self.folder, self.cell.seed, **self.settings)
        return read.laid_out(torch.channels_last)  # type: ignore[union-attr]

    @property
    def example(self) -> Tensor:
        return torch.zeros(2, 1, 14, 14)

    @property
    def checkpoint(self) -> Path:
        cell = self.cell
        return self.work / f"{cell.network}-{cell.before:g}-{cell.limit}-{cell.seed}.safetensors"

    def pretrained(self) -> nn.Module:
        """The network that somebody has; trained now where that was not done yet."""
        torch.manual_seed(self.cell.seed)
        network = NETWORKS[self.cell.network]()
        if self.checkpoint.exists():
            network.load_state_dict(load_file(self.checkpoint))
        else:
            self.train(network, self.cell.before)
            self.work.mkdir(parents=True, exist_ok=True)
            save_file(network.state_dict(), self.checkpoint)
        return network.eval()

    def train(self, network: nn.Module, seconds: float, rate: float = 1.0, teacher: nn.Module | None = None) -> None:
        """For so many CPU seconds; the learning rate rises, then falls by a cosine to zero at the last one.

        Args:
            rate: of the learning rate of the recipe.
            teacher: teaches half of the loss.
        """
        optimizer, started = self.recipe.make_optimizer(network), time.process_time()
        network.train()
        for x, y in self._endless():
            done = (time.process_time() - started) / max(seconds, 1e-9)
            if done >= 1:
                break
            for group in optimizer.param_groups:
                warm = min(1.0, (done + 1e-3) / _WARM_UP)
                group["lr"] = self.recipe.learning_rate * rate * warm * (1 + math.cos(math.pi * done)) / 2
            optimizer.zero_grad(set_to_none=True)
            self._loss(network(x), x, y, teacher).backward()
            nn.utils.clip_grad_norm_(network.parameters(), self.recipe.clip)
            optimizer.step()
        network.eval()

    def add_gradients(self, network: nn.Module, batches: int) -> None:
        """Of the loss on so many batches of training images, summed in the parameters."""
        for x, y in itertools.islice(self._endless(), batches):
            self._loss(network(x), x, y, None).backward()

    def latency(self, network: nn.Module | bytes, whole: nn.Module, seconds: float = 1.0) -> tuple[float, float]:
        """Milliseconds of a network, and of the whole one that is measured in turn with it."""
        shape = self.data.input_shape
        groups = self.target.measure_groups(
            [{"it": Subject(network, shape)}], Subject(whole, shape), seconds_each=seconds, energy=False
        )
        (found,) = list(groups)
        assert found["it"].reference_ms is not None
        return found["it"].latency_ms, found["it"].reference_ms

    def fits(self, network: nn.Module, whole: nn.Module) -> bool:
        """Whether it is within the bound as measured."""
        ms, most = self.latency(network, whole, 0.3)
        return ms <= most * self.cell.share / 100

    def tested(self, network: nn.Module) -> dict[str, float]:
        """Accuracy on the test split with its interval."""
        split = self.data.test
        found = evaluate(network, split.batches(256), self.data.task, groups_of(split))
        return {"test": found["accuracy"], "test_low": found["accuracy_low"], "test_high": found["accuracy_high"]}

    def space(self, network: nn.Module) -> nas.Supernet:
        """That of `nas search --model`."""
        return nas.Supernet(nas.elastic(network, self.example, width=WIDTHS), input_shape=self.data.input_shape)

    def _loss(self, output: Tensor, x: Tensor, y: Tensor, teacher: nn.Module | None) -> Tensor:
        task = self.data.task
        if teacher is None:
            return F.cross_entropy(output, y)
        with torch.no_grad():
            taught = task.taught(teacher(x), _TEMPERATURE)
        return (1 - _TAUGHT) * F.cross_entropy(output, y) + _TAUGHT * task.divergence(output, taught, _TEMPERATURE)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch = 0
        while True:
            key = (self.cell.seed, Stream.BATCHES, epoch)
            yield from self.data.train.shuffled(
                self.recipe.batch_size, key, self.recipe.augmentation(self.data.augment)
            )
            epoch += 1
