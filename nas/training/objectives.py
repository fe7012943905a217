"""With which loss? Terms that are added up on each forward pass of a step."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

__all__ = ["CrossEntropy", "Forward", "InPlaceDistillation", "LossTerm"]


@dataclass(frozen=True)
class Forward:
    """One forward pass of a step, as loss terms see it.

    Attributes:
        output: logits ``[N, classes]`` (or ``[N, classes, ...]``).
        target: labels ``[N]`` (or ``[N, ...]``).
        role: the role of the path that ran.
        earlier: outputs of the passes that ran before in the same step, detached, by role.
    """

    output: Tensor
    target: Tensor
    role: str
    earlier: Mapping[str, Tensor]


class LossTerm(Protocol):
    """A scalar loss of a pass, or None where it does not apply."""

    def __call__(self, forward: Forward) -> Tensor | None: ...


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy with the labels.

    Attributes:
        label_smoothing: share of the probability spread over all classes.
        roles: the roles that learn from labels; None for all.
    """

    label_smoothing: float = 0.0
    roles: Collection[str] | None = None

    def __call__(self, forward: Forward) -> Tensor | None:
        if self.roles is not None and forward.role not in self.roles:
            return None
        return F.cross_entropy(forward.output, forward.target, label_smoothing=self.label_smoothing)


@dataclass(frozen=True)
class InPlaceDistillation:
    """Cross-entropy with the detached prediction of the largest architecture on the same batch.

    Its gradient is that of the Kullback-Leibler divergence (Yu and Huang, 2019).

    Attributes:
        teacher: the role that teaches; passes that ran before it have no such term.
    """

    teacher: str = "largest"

    def __call__(self, forward: Forward) -> Tensor | None:
        teacher = forward.earlier.get(self.teacher)
        return None if teacher is None else F.cross_entropy(forward.output, teacher.softmax(1))
