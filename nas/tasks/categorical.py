"""What tasks have in common that choose one of several labels: logits in, cross-entropy out."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor

from nas.tasks.losses import CrossEntropy, InPlaceDistillation, LossTerm
from nas.tasks.task import Task

__all__ = ["Categorical"]


class Categorical(Task):
    """Outputs are logits ``[N, labels, ...]``, targets labels ``[N, ...]``; to be extended."""

    agreement = "the same label"

    def outputs(self, count: int) -> str:
        return f"{count:,} classes"

    def loss(self, label_smoothing: float = 0.0, roles: Collection[str] | None = None, weight: float = 1.0) -> LossTerm:
        """Cross-entropy with the labels."""
        return CrossEntropy(label_smoothing, roles, weight)

    def distillation(self, teacher: str = "largest") -> LossTerm:
        """Cross-entropy with the teacher's probabilities."""
        return InPlaceDistillation(teacher)

    def taught(self, output: Tensor, temperature: float = 1.0) -> Tensor:
        """``softmax(output / T)``."""
        return (output / temperature).softmax(1)

    def votes(self, output: Tensor) -> Tensor:
        """One for the likeliest label, zero for the others."""
        return F.one_hot(output.argmax(1), output.shape[1]).movedim(-1, 1).to(output)

    def divergence(self, output: Tensor, taught: Tensor, temperature: float = 1.0) -> Tensor:
        """``T^2 * KL(taught || softmax(output / T))`` (Hinton et al., 2015)."""
        student = (output / temperature).log_softmax(1)
        return temperature**2 * F.kl_div(student, taught, reduction="none").sum(1).mean()

    def agree(self, answers: np.ndarray, expected: np.ndarray) -> npt.NDArray[np.bool_]:
        """Whether the likeliest labels ``[N, ...]`` are equal."""
        return np.asarray(answers.argmax(axis=1) == expected.argmax(axis=1))
