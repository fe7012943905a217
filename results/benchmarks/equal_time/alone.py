"""Training a network by itself for a number of CPU seconds, as every arm that trains one does it."""

import math
import time
from collections.abc import Iterator

import torch.nn.functional as F
from contests import Problem
from torch import Tensor, nn

from nas.streams import Stream

__all__ = ["Training", "train_alone"]

_WARM_UP = 0.03
"""Share of the time in which the learning rate rises."""


class Training:
    """Trains a network by the recipe of the task; the rate rises, then falls by a cosine to zero at the last second.

    Args:
        seconds: CPU seconds in all, of which only those spent in :meth:`until` count.
        peak: the highest learning rate; that of the recipe by default.
    """

    def __init__(
        self, network: nn.Module, problem: Problem, seconds: float, seed: int, peak: float | None = None
    ) -> None:
        self.network, self.problem, self.seconds, self.seed = network, problem, seconds, seed
        self.recipe = problem.recipe
        self.peak = self.recipe.learning_rate if peak is None else peak
        self.optimizer = self.recipe.make_optimizer(network)
        self.spent, self.steps = 0.0, 0
        self._batches = self._endless()

    def until(self, share: float) -> None:
        """Goes on until so much of the time is over."""
        self.network.train()
        started = time.process_time() - self.spent
        while (progress := self.spent / self.seconds) < share:
            for group in self.optimizer.param_groups:
                group["lr"] = (
                    self.peak * min(1.0, (progress + 1e-3) / _WARM_UP) * (1 + math.cos(math.pi * progress)) / 2
                )
            self._step(*next(self._batches))
            self.spent = time.process_time() - started

    def _step(self, x: Tensor, y: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.network(x), y).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.steps += 1

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        data, epoch = self.problem.data, 0
        augment = self.recipe.augmentation(data.augment)
        while True:
            yield from data.train.shuffled(self.recipe.batch_size, (self.seed, Stream.BATCHES, epoch), augment)
            epoch += 1


def train_alone(network: nn.Module, problem: Problem, seed: int, peak: float | None = None) -> int:
    """Trains it for all the time that is left; the number of steps."""
    training = Training(network, problem, max(problem.clock.left, 0.0) or 1e-9, seed, peak)
    training.until(1.0)
    return training.steps
