"""With which loss? Terms that are added up on each forward pass of a step."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.tasks import CrossEntropy, Forward, InPlaceDistillation, LossTerm, Task
from nas.tasks.losses import applies

__all__ = [
    "CrossEntropy", "Distillation", "Entropy", "Forward", "InPlaceDistillation", "LossTerm", "SeveralTerms", "applies",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Distillation:
    """``share`` of the divergence from a trained network, the teacher; for classes ``T^2 * KL(teacher || student)``
    (Hinton et al., 2015).

    TAS (Dong and Yang, 2019) trains with it beside ``CrossEntropy(weight=0.1)``.

    Attributes:
        teacher: a plain network in evaluation mode, fed with the images of the pass; it stays as it is.
        task: of both, which says how far outputs are apart.
        temperature: ``T``, by which both logits are divided.
        share: of the loss.
        roles: the roles that learn from the teacher; None for all.

    Raises:
        UsageError: the teacher is in training mode.
    """

    teacher: nn.Module
    task: Task
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
            taught = self.task.taught(self.teacher(forward.input), self.temperature)
        return self.share * self.task.divergence(forward.output, taught, self.temperature)


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


@dataclass(frozen=True, eq=False)
class SeveralTerms:
    """Terms that are one wherever a single one is expected.

    Attributes:
        terms: of which those that apply to a pass are added.
    """

    terms: Sequence[LossTerm]

    def __call__(self, forward: Forward) -> Tensor | None:
        given = [loss for loss in (term(forward) for term in self.terms) if loss is not None]
        return torch.stack(given).sum() if given else None


def _entropy(probabilities: Tensor) -> Tensor:
    """With a finite gradient where a probability is zero."""
    return -(probabilities * probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()).sum()
