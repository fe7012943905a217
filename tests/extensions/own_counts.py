"""A task as somebody writes it beside a run: how many there are of something."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from nas.errors import UsageError
from nas.tasks import LossTerm, Metric, Tally, Task, Taught, Told
from nas.tasks.intervals import Groups, positive_mean_interval


class Counts(Task):
    """Logarithms of Poisson rates ``[N, kinds]`` for counts ``[N, kinds]``; networks are compared by deviance."""

    name = "counts"
    metric = Metric("deviance", maximise=False)
    agreement = "rates within 1%"
    answer = "numpy.exp({output}[0])"

    def output_shape(self, target_shape: tuple[int, ...]) -> tuple[int, ...]:
        return target_shape

    def outputs(self, count: int) -> str:
        return f"{count} rates"

    def describe(self) -> dict[str, Any]:
        return {}

    def check_targets(self, targets: Any, examples: int, where: str) -> Tensor:
        counts = Tensor(np.asarray(targets, np.float32))
        if counts.shape[:1] != (examples,) or (counts < 0).any():
            raise UsageError(f"{where} holds no counts; give a row of numbers from 0 for each example.")
        return counts

    def loss(self, label_smoothing: float = 0.0, roles: Collection[str] | None = None, weight: float = 1.0) -> LossTerm:
        return Told(F.poisson_nll_loss, roles, weight)

    def distillation(self, teacher: str = "largest") -> LossTerm:
        return Taught(lambda output, taught: F.poisson_nll_loss(output, taught.exp()), teacher)

    def taught(self, output: Tensor, temperature: float = 1.0) -> Tensor:
        return output.exp()

    def votes(self, output: Tensor) -> Tensor:
        raise UsageError("counts are no choice; let teachers say their rates.")

    def divergence(self, output: Tensor, taught: Tensor, temperature: float = 1.0) -> Tensor:
        return (taught * (taught.log() - output) - taught + output.exp()).mean()

    def tally(self, groups: Groups | None = None) -> Tally:
        return Deviance(groups)

    def agree(self, answers: np.ndarray, expected: np.ndarray) -> np.ndarray:
        return np.abs(answers - expected) < 0.01


class Deviance(Tally):
    """Of each example; nothing else."""

    def add(self, output: Tensor, target: Tensor) -> None:
        surprise = target.xlogy(target) - target * output - target + output.exp()
        self._results.append(2 * surprise.double().mean(1))

    def metrics(self) -> dict[str, float]:
        low, high = positive_mean_interval(self.results, self.groups)
        mean = float(self.results.mean())
        return {"deviance": mean, "deviance_low": low, "deviance_high": high, "loss": mean / 2}

    @property
    def score(self) -> float:
        return 1 / (1 + float(self.results.mean()))
