"""Regression: one or several numbers for each example."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.errors import UsageError
from nas.tasks.intervals import Groups, positive_mean_interval
from nas.tasks.losses import LossTerm, Taught, Told
from nas.tasks.metric import Metric
from nas.tasks.tables import names_of, table
from nas.tasks.tally import Tally
from nas.tasks.task import Task

__all__ = ["RMSE", "Regression"]

RMSE = Metric("rmse", maximise=False, label="RMSE")
"""Root of the mean squared error, over all numbers of all examples alike, in the unit of the targets."""
_MAE = Metric("mae", maximise=False, label="MAE")
_R2 = Metric("r2", maximise=True, decimals=3, label="R²")

_TOLERANCE = 0.01
_FAR, _WIDE = 10.0, 10.0
"""Targets are hard to learn whose mean is more spreads from 0 than this, or whose spread is so many times 1, or 1 of
it."""


@dataclass(frozen=True)
class Regression(Task):
    """Outputs and targets are numbers ``[N, numbers]`` float32; networks are compared by root mean squared error.

    Squared error is what is learnt, and what networks learn from each other. Two outputs agree if they are no further
    apart than a hundredth of the largest number that is expected.

    Attributes:
        names: of the numbers, for those who use the network; "0", "1" and so on by default.
    """

    names: Sequence[str] = field(default=())

    name = "regression"
    metric = RMSE
    others = (_MAE, _R2)
    agreement = f"numbers within {_TOLERANCE:.0%}"

    def output_shape(self, target_shape: tuple[int, ...]) -> tuple[int, ...]:
        """That of the target."""
        return target_shape

    def outputs(self, count: int) -> str:
        return f"{count:,} number{'' if count == 1 else 's'} to predict"

    def describe(self) -> dict[str, Any]:
        return {"task": self.name, "outputs": list(self.names)}

    def check_targets(self, targets: npt.ArrayLike, examples: int, where: str) -> Tensor:
        """[N, numbers] float32, also of targets [N].

        Raises:
            UsageError: they are no finite numbers, not one row for each example, or not as many as there are names.
        """
        values = table(targets, examples, where)
        if values.dtype.kind not in "iuf":
            raise UsageError(f"{where} holds targets of type {values.dtype}; give numbers.")
        for row in np.flatnonzero(~np.isfinite(values).all(axis=1))[:1]:
            raise UsageError(f"{where} holds target {values[row].tolist()} at position {row}; give finite numbers.")
        names_of(self.names, values.shape[1], where)
        return torch.from_numpy(values.astype(np.float32))

    def check_splits(self, name: str, targets: Mapping[str, Tensor]) -> list[str]:
        """Refuses training targets that are all alike; a note where they are far from what networks learn well."""
        spread = targets["train"].double().std(0, unbiased=False)
        for index in (spread == 0).nonzero().flatten().tolist()[:1]:
            value = float(targets["train"][0, index])
            raise UsageError(
                f"Every training target of '{name}' is {value:g} in number {index}, so there is nothing to learn; add "
                "other examples or drop that number."
            )
        return list(_unscaled(name, targets["train"].double().mean(0), spread))

    def loss(self, label_smoothing: float = 0.0, roles: Collection[str] | None = None, weight: float = 1.0) -> LossTerm:
        """Mean squared error."""
        return Told(F.mse_loss, roles, weight)

    def distillation(self, teacher: str = "largest") -> LossTerm:
        """Mean squared difference to the teacher's numbers."""
        return Taught(F.mse_loss, teacher)

    def taught(self, output: Tensor, temperature: float = 1.0) -> Tensor:
        """The numbers."""
        return output

    def votes(self, output: Tensor) -> Tensor:
        raise UsageError(
            "teachers vote for one of several answers, but regression has none; let them teach their mean."
        )

    def divergence(self, output: Tensor, taught: Tensor, temperature: float = 1.0) -> Tensor:
        """Mean squared difference."""
        return F.mse_loss(output, taught)

    def tally(self, groups: Groups | None = None) -> Tally:
        return _Errors(groups)

    def agree(self, answers: np.ndarray, expected: np.ndarray) -> npt.NDArray[np.bool_]:
        """Whether numbers ``[N, numbers]`` are close."""
        return np.asarray(np.abs(answers - expected) <= _TOLERANCE * np.abs(expected).max(axis=0))


class _Errors(Tally):
    """The mean squared error of each example: ``rmse`` and its interval, ``mae`` and ``r2`` (the mean over numbers) and
    the mean squared error as ``loss``."""

    def __init__(self, groups: Groups | None = None) -> None:
        super().__init__(groups)
        self._errors: list[Tensor] = []
        self._targets: list[Tensor] = []

    def add(self, output: Tensor, target: Tensor) -> None:
        """Counts numbers ``[N, numbers]``, those of the network and those that are true."""
        errors = (output.double() - target.double()).cpu()
        self._errors.append(errors)
        self._targets.append(target.double().cpu())
        self._results.append(errors.square().flatten(1).mean(1))

    def metrics(self) -> dict[str, float]:
        loss = float(self.results.mean())
        low, high = positive_mean_interval(self.results, self.groups)
        return {
            "rmse": loss**0.5,
            "rmse_low": low**0.5,
            "rmse_high": high**0.5,
            "mae": float(torch.cat(self._errors).abs().mean()),
            "r2": self._determination,
            "loss": loss,
        }

    @property
    def score(self) -> float:
        """``1 / (2 - R²)``: 1 for a perfect network, one half for one that knows the mean, less for worse ones."""
        return 1 / (2 - self._determination)

    @property
    def _determination(self) -> float:
        """R²; of a number that is the same for all examples 0, or 1 if it is met."""
        errors, targets = torch.cat(self._errors).flatten(1), torch.cat(self._targets).flatten(1)
        left = errors.square().sum(0)
        whole = (targets - targets.mean(0)).square().sum(0)
        constant = torch.where(left > 0, 0.0, 1.0).double()
        return float(torch.where(whole > 0, 1 - left / whole.clamp_min(1e-300), constant).mean())


def _unscaled(name: str, mean: Tensor, spread: Tensor) -> Iterator[str]:
    """A note if targets are far from mean 0 and spread 1."""
    far = (mean.abs() > _FAR * spread) | (spread > _WIDE) | (spread < 1 / _WIDE)
    for index in far.nonzero().flatten().tolist()[:1]:
        yield (
            f"Targets of '{name}' have mean {float(mean[index]):.3g} and spread {float(spread[index]):.3g} in number "
            f"{index}; networks learn best where these are about 0 and 1, so subtract and divide, and undo it where "
            "the network is used."
        )
