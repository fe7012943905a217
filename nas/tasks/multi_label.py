"""Multi-label: which of several labels an example has, any number of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.errors import UsageError
from nas.tasks.intervals import Floats, Groups
from nas.tasks.losses import LossTerm, Taught, Told
from nas.tasks.metric import Metric
from nas.tasks.precision_recall import average_precision, bootstrapped, influence
from nas.tasks.tables import names_of, table
from nas.tasks.tally import Tally
from nas.tasks.task import Task

__all__ = ["MEAN_AVERAGE_PRECISION", "MultiLabel"]

MEAN_AVERAGE_PRECISION = Metric("mean_average_precision", maximise=True, share=True)
"""The mean over labels of the area below precision by recall, between 0 and 1."""
_F1 = Metric("f1", maximise=True, share=True, label="F1")


@dataclass(frozen=True)
class MultiLabel(Task):
    """Outputs are logits ``[N, labels]``, targets 0 or 1 ``[N, labels]`` float32; compared by mean average precision.

    A label that no example has says nothing of a network; it is left out of the mean. An output says that a label is
    there where it is above 0.

    Attributes:
        labels: their names, for those who use the network; "0", "1" and so on by default.
    """

    labels: Sequence[str] = field(default=())

    name = "multi-label"
    metric = MEAN_AVERAGE_PRECISION
    others = (_F1,)
    agreement = "the same labels"
    answer = "1 / (1 + numpy.exp(-{output}[0]))"

    def output_shape(self, target_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(labels,)."""
        return target_shape

    def outputs(self, count: int) -> str:
        return f"{count:,} label{'' if count == 1 else 's'}"

    def describe(self) -> dict[str, Any]:
        return {"task": self.name, "outputs": list(self.labels)}

    def check_targets(self, targets: npt.ArrayLike, examples: int, where: str) -> Tensor:
        """[N, labels] float32 of zeros and ones.

        Raises:
            UsageError: they are anything else, not one row for each example, or not as many as there are names.
        """
        values = table(targets, examples, where)
        for row, column in np.argwhere((values != 0) & (values != 1))[:1]:
            raise UsageError(
                f"{where} holds {values[row, column]!r} for label {column} of example {row}; give 0 or 1, or booleans."
            )
        names_of(self.labels, values.shape[1], where)
        return torch.from_numpy(values.astype(np.float32))

    def check_splits(self, name: str, targets: Mapping[str, Tensor]) -> list[str]:
        """Refuses a label that no training example has, or all have; a note where others lack one."""
        share = targets["train"].mean(0)
        for label in ((share == 0) | (share == 1)).nonzero().flatten().tolist()[:1]:
            whose = "all of them have" if share[label] else "none of them has"
            raise UsageError(
                f"The training examples of '{name}' do not teach label {label}, since {whose} it; add others or drop "
                "the label."
            )
        notes = []
        for title, labels in targets.items():
            missing = (labels.sum(0) == 0).nonzero().flatten().tolist()
            if len(missing) == labels.shape[1]:
                raise UsageError(f"No example of the {title} split of '{name}' has any label; add some that have.")
            if missing:
                some = ", ".join(map(str, missing[:5]))
                notes.append(f"The {title} split of '{name}' has no example of label {some}; its figures leave it out.")
        return notes

    def loss(self, label_smoothing: float = 0.0, roles: Collection[str] | None = None, weight: float = 1.0) -> LossTerm:
        """Binary cross-entropy of each label, averaged; smoothed labels move towards one half."""

        def smoothed(output: Tensor, target: Tensor) -> Tensor:
            soft = target * (1 - label_smoothing) + label_smoothing / 2
            return F.binary_cross_entropy_with_logits(output, soft)

        return Told(smoothed, roles, weight)

    def distillation(self, teacher: str = "largest") -> LossTerm:
        """Binary cross-entropy with the teacher's probabilities."""
        return Taught(_with_probabilities_of, teacher)

    def taught(self, output: Tensor, temperature: float = 1.0) -> Tensor:
        """``sigmoid(output / T)``."""
        return (output / temperature).sigmoid()

    def votes(self, output: Tensor) -> Tensor:
        """One for the labels that are there."""
        return (output > 0).to(output)

    def divergence(self, output: Tensor, taught: Tensor, temperature: float = 1.0) -> Tensor:
        """``T^2`` times the Kullback-Leibler divergence of each label, averaged."""
        logits = output / temperature
        entropy = -(torch.xlogy(taught, taught) + torch.xlogy(1 - taught, 1 - taught)).mean()
        return temperature**2 * (F.binary_cross_entropy_with_logits(logits, taught) - entropy)

    def tally(self, groups: Groups | None = None) -> Tally:
        return _Ranking(groups)

    def agree(self, answers: np.ndarray, expected: np.ndarray) -> npt.NDArray[np.bool_]:
        """Whether each example ``[N]`` has the same set of labels."""
        return np.asarray(((answers > 0) == (expected > 0)).all(axis=1))


class _Ranking(Tally):
    """All logits: ``mean_average_precision`` and its interval by bootstrap over examples, ``f1`` (the mean over labels)
    and the binary cross-entropy ``loss`` in nats.

    An example is worth its influence on the mean average precision (the infinitesimal jackknife, Efron, 1981), so that
    the mean over examples is that metric.
    """

    def __init__(self, groups: Groups | None = None) -> None:
        super().__init__(groups)
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []

    def add(self, output: Tensor, target: Tensor) -> None:
        """Counts logits and labels ``[N, labels]``."""
        self._logits.append(output.float().cpu())
        self._labels.append(target.cpu() > 0.5)

    @property
    def results(self) -> Floats:
        return influence(*self._arrays)

    def metrics(self) -> dict[str, float]:
        logits, labels = self._arrays
        low, high = bootstrapped(logits, labels, self.groups)
        loss = F.binary_cross_entropy_with_logits(torch.cat(self._logits), torch.cat(self._labels).float())
        return {
            "mean_average_precision": self.score,
            "mean_average_precision_low": low,
            "mean_average_precision_high": high,
            "f1": _f1(logits, labels),
            "loss": float(loss),
        }

    @property
    def score(self) -> float:
        """The mean average precision."""
        return average_precision(*self._arrays)

    @property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return torch.cat(self._logits).numpy(), torch.cat(self._labels).numpy()


def _with_probabilities_of(output: Tensor, teacher: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output, teacher.sigmoid())


def _f1(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean over labels that some example has; 0 if none has any."""
    known = labels.any(axis=0)
    said, true = logits[:, known] > 0, labels[:, known]
    if not known.any():
        return 0.0
    return float((2 * (said & true).sum(axis=0) / (said.sum(axis=0) + true.sum(axis=0))).mean())
