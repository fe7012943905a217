"""How far a student's probabilities are from a teacher's, where one may guess too low or too high."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.tasks.losses import Forward, applies

__all__ = ["AlphaDistillation", "alpha_divergence"]

_NEAR = 1e-3
"""Orders that are nearer to 0 or to 1 are taken as these, where the general formula divides by zero."""


@dataclass(frozen=True)
class AlphaDistillation:
    """The largest of some alpha divergences from another pass of the same step (AlphaNet, Wang et al., 2021).

    A negative order punishes a student that is too sure of a class, a positive one a student that misses a class of its
    teacher, as the Kullback-Leibler divergence does. Each example learns by the order that finds it farther away, so
    that students neither guess too low nor too high.

    Attributes:
        orders: alpha of each.
        clip: bound of ``(p / q)^alpha``, in the value and in the gradient; it does not touch order 1.
        teacher: the role that teaches; passes that ran before it have no such term.
        roles: the roles that learn from it; None for all.
    """

    orders: Sequence[float] = (-1.0, 1.0)
    clip: float = 5.0
    teacher: str = "largest"
    roles: Collection[str] | None = None

    def __call__(self, forward: Forward) -> Tensor | None:
        teacher = forward.earlier.get(self.teacher)
        if teacher is None or not applies(self.roles, forward):
            return None
        each = [alpha_divergence(forward.output, teacher, order, self.clip) for order in self.orders]
        return torch.stack(each).amax(0).mean()


def alpha_divergence(student: Tensor, teacher: Tensor, order: float, clip: float = math.inf) -> Tensor:
    """``(sum(q * (p / q)^alpha) - 1) / (alpha * (alpha - 1))`` of each example ``[N, ...]``.

    Order 1 is its limit ``KL(p || q)``, order 0 is ``KL(q || p)``. The gradient is that of the divergence, but for what
    is clipped, which counts as if it were constant and not as if it had no gradient.

    Args:
        student: logits ``[N, classes, ...]`` of q.
        teacher: likewise of p, which learns nothing.
        order: alpha.
        clip: bound of ``(p / q)^alpha``, and of ``p / q`` where alpha is 0; it does not touch order 1.
    """
    log_p, log_q = teacher.detach().log_softmax(1), student.log_softmax(1)
    fixed = log_q.detach()
    q, log_ratio = fixed.exp(), log_p - fixed
    if abs(order - 1) < _NEAR:
        p = log_p.exp()
        value, weight = p * log_ratio, p
    elif abs(order) < _NEAR:
        log_ratio = log_ratio.clamp(max=math.log(clip))
        value, weight = -q * log_ratio, q * (log_ratio - 1)
    else:
        power = (order * log_ratio).clamp(max=math.log(clip)).exp()
        value, weight = q * (power - 1) / (order * (order - 1)), q * power / order
    surrogate = -(weight * log_q).sum(1)
    return value.sum(1) + (surrogate - surrogate.detach())
