"""Loss terms, each of which is added to the others on a forward pass."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

__all__ = ["CrossEntropy", "Forward", "InPlaceDistillation", "LossTerm", "Taught", "Told", "applies"]

Criterion = Callable[[Tensor, Tensor], Tensor]
"""An output and what it should be, of one shape → a scalar."""


@dataclass(frozen=True)
class Forward:
    """One forward pass of a step, as loss terms see it.

    Attributes:
        output: what the network said, such as logits ``[N, classes]`` (or ``[N, classes, ...]``).
        target: what it should have said, such as labels ``[N]`` (or ``[N, ...]``).
        role: the role of the path that ran.
        earlier: outputs of the passes that ran before in the same step, detached, by role; of several their mean.
        input: images ``[N, C, H, W]``, or tokens ``[N, L]``.
        probabilities: how likely each candidate of a choice is ``[candidates]``, differentiable, by choice; empty for a
            discrete path.
    """

    output: Tensor
    target: Tensor
    role: str
    earlier: Mapping[str, Tensor]
    input: Tensor | None = None
    probabilities: Mapping[str, Tensor] = field(default_factory=dict)


class LossTerm(Protocol):
    """A scalar loss of a pass, or None where it does not apply."""

    def __call__(self, forward: Forward) -> Tensor | None: ...


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy with the labels.

    Attributes:
        label_smoothing: share of the probability spread over all classes.
        roles: the roles that learn from labels; None for all.
        weight: factor.
    """

    label_smoothing: float = 0.0
    roles: Collection[str] | None = None
    weight: float = 1.0

    def __call__(self, forward: Forward) -> Tensor | None:
        if not applies(self.roles, forward):
            return None
        return self.weight * F.cross_entropy(forward.output, forward.target, label_smoothing=self.label_smoothing)


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


@dataclass(frozen=True)
class Told:
    """Any loss of the output and its target.

    Attributes:
        criterion: (output, target) → scalar, such as ``torch.nn.functional.mse_loss``.
        roles: the roles that learn from targets; None for all.
        weight: factor.
    """

    criterion: Criterion
    roles: Collection[str] | None = None
    weight: float = 1.0

    def __call__(self, forward: Forward) -> Tensor | None:
        return self.weight * self.criterion(forward.output, forward.target) if applies(self.roles, forward) else None


@dataclass(frozen=True)
class Taught:
    """Any loss of the output and that of another pass of the same step, detached.

    Attributes:
        criterion: (output, output of the teacher) → scalar.
        teacher: the role that teaches; passes that ran before it have no such term.
    """

    criterion: Criterion
    teacher: str = "largest"

    def __call__(self, forward: Forward) -> Tensor | None:
        teacher = forward.earlier.get(self.teacher)
        return None if teacher is None else self.criterion(forward.output, teacher)


def applies(roles: Collection[str] | None, forward: Forward) -> bool:
    """Whether a term of these roles, None for all, applies to a pass."""
    return roles is None or forward.role in roles
