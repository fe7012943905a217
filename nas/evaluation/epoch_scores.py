"""How good the networks of a supernet are while it trains, in little of the time."""

import math
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import torch

from nas.data import Data
from nas.evaluation.metrics import evaluate
from nas.evaluation.shared_weights import SharedWeights
from nas.space import Architecture
from nas.supernet import Supernet
from nas.training import Context, Listener

__all__ = ["EpochScores"]

_EXAMPLES, _CALIBRATION = 256, 128
"""Of the validation split, the same each time; and of the training split, for batch norm."""
_PASSES = 3
"""That an example takes through a path in a step: forwards, and twice as much backwards."""


class EpochScores(Listener):
    """Evaluates a few architectures after epochs, each by itself with its batch norm recalibrated.

    The training is not changed by it, random numbers included. Where weights are averaged, those that train are
    evaluated. An epoch is left out where all evaluations together would take more than their share of the time so far;
    the first is assumed to take as long for an example as a step does, of which it goes forwards alone.

    Args:
        supernet: that is trained, path by path.
        data: of which a few examples are read.
        architectures: by what the record calls them, ``validation_<metric>_<name>``.
        share: of the time since the training began.
        clock: in seconds.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: Data,
        architectures: Mapping[str, Architecture],
        share: float = 0.02,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.supernet, self.data, self.architectures = supernet, data, architectures
        self.share, self._clock = share, clock
        self._begun: float | None = None
        self._passes, self._taken = 0, 0.0
        self._last: float | None = None

    def before_step(self, context: Context) -> None:
        self._begun = self._clock() if self._begun is None else self._begun

    def after_step(self, context: Context) -> None:
        self._passes += _PASSES * max(1, len(context.paths)) * len(context.x)

    def record(self) -> dict[str, Any]:
        before = self._clock()
        passed = before - (before if self._begun is None else self._begun)
        if self._taken + self._expected(passed) > self.share * passed:
            return {}
        found = {name: self._score(architecture) for name, architecture in self.architectures.items()}
        self._last = self._clock() - before
        self._taken += self._last
        metric = self.data.task.metric.name
        return {f"validation_{metric}_{name}": score for name, score in found.items() if math.isfinite(score)}

    def _expected(self, passed: float) -> float:
        """Seconds of the next evaluation: those of the last, and of the first what its examples suggest."""
        if self._last is not None:
            return self._last
        return passed * len(self.architectures) * (_EXAMPLES + _CALIBRATION) / max(1, self._passes)

    def _score(self, architecture: Architecture) -> float:
        devices = [] if (device := next(self.supernet.parameters()).device).type == "cpu" else [device]
        with torch.random.fork_rng(devices):
            network = SharedWeights(self.supernet, self.data, _CALIBRATION, _CALIBRATION).network(architecture)
            batches = islice(self.data.validation.at(architecture).batches(_EXAMPLES), 1)
            return evaluate(network, batches, self.data.task)[self.data.task.metric.name]
