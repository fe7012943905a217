"""With which loss? Terms that are added up on each forward pass of a step."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError

__all__ = [
    "CrossEntropy",
    "Distillation",
    "Entropy",
    "Forward",
    "InPlaceDistillation",
    "LossTerm",
    "StatefulTerm",
    "applies",
    "divergence",
]


@dataclass(frozen=True)
class Forward:
    """One forward pass of a step, as loss terms see it.

    Attributes:
        output: logits ``[N, classes]`` (or ``[N, classes, ...]``).
        target: labels ``[N]`` (or ``[N, ...]``).
        role: the role of the path that ran.
        earlier: outputs of the passes that ran before in the same step, detached, by role.
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


@runtime_checkable
class StatefulTerm(Protocol):
    """A loss term that remembers something of the training."""

    def before_step(self, step: int) -> None:
        """Called before the first pass of every step."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers, for checkpoints."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes what :meth:`state` gave."""


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


@dataclass(frozen=True, eq=False)
class Distillation:
    """``share * T^2 * KL(teacher || student)`` with a trained network as the teacher (Hinton et al., 2015).

    TAS (Dong and Yang, 2019) trains with it beside ``CrossEntropy(weight=0.1)``.

    Attributes:
        teacher: a plain network in evaluation mode, fed with the images of the pass; it stays as it is.
        temperature: ``T``, by which both logits are divided.
        share: of the loss.
        roles: the roles that learn from the teacher; None for all.

    Raises:
        UsageError: the teacher is in training mode.
    """

    teacher: nn.Module
    temperature: float = 4.0
    share: float = 0.9
    roles: Collection[str] | None = None

    def __post_init__(self) -> None:
        if self.teacher.training:
            raise UsageError(
                f"the teacher, a {type(self.teacher).__name__}, is in training mode, so it would go on changing its "
                "batch-norm statistics; call teacher.eval() first."
            )

    def __call__(self, forward: Forward) -> Tensor | None:
        if not applies(self.roles, forward):
            return None
        with torch.no_grad():
            taught = (self.teacher(forward.input) / self.temperature).softmax(1)
        return self.share * divergence(forward.output, taught, self.temperature)


@dataclass(frozen=True)
class Entropy:
    """The entropy of the architecture's probabilities in nats, summed over its decisions.

    Attributes:
        weight: factor; a positive one pushes decisions towards one option, a negative one keeps them open.
        roles: the roles to which it applies; None for all passes with probabilities.
    """

    weight: float
    roles: Collection[str] | None = ("architecture",)

    def __call__(self, forward: Forward) -> Tensor | None:
        if not forward.probabilities or not applies(self.roles, forward):
            return None
        return self.weight * torch.stack([_entropy(each) for each in forward.probabilities.values()]).sum()


def applies(roles: Collection[str] | None, forward: Forward) -> bool:
    """Whether a term of these roles, None for all, applies to a pass."""
    return roles is None or forward.role in roles


def divergence(output: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """``T^2 * KL(taught || softmax(output / T))``, averaged over examples.

    Args:
        output: logits of the student ``[N, classes, ...]``.
        taught: probabilities of the teacher, of the same shape.
        temperature: ``T``; its square keeps gradients as large as those of labels.
    """
    student = (output / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(student, taught, reduction="none").sum(1).mean()


def _entropy(probabilities: Tensor) -> Tensor:
    """With a finite gradient where a probability is zero."""
    return -(probabilities * probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()).sum()
