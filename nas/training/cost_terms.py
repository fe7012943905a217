"""Loss terms from the expected cost of a relaxed architecture.

Each reads the probabilities of a pass and is differentiable in them, so that architecture parameters learn what is
cheap. A ``cost`` maps them to a scalar, such as :class:`nas.costs.ExpectedCost`.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nas.errors import UsageError
from nas.training.objectives import Forward, LossTerm, applies

__all__ = ["AddedCost", "CostFunction", "LogCost", "ScaledLoss", "TargetCost"]

CostFunction = Callable[[Mapping[str, Tensor]], Tensor]
"""Probabilities ``[candidates]`` by choice → the expected cost, a scalar."""

_LEARNS = ("architecture",)


@dataclass(frozen=True, eq=False)
class AddedCost:
    """``weight * (E - reference) / reference``, linear in the expected cost E (ProxylessNAS, Cai et al., 2019).

    Attributes:
        cost: the expected cost.
        reference: in the unit of the cost; positive.
        weight: 0.1 as published.
        roles: the roles to which it applies; None for all.

    Raises:
        UsageError: the reference is not positive.
    """

    cost: CostFunction
    reference: float
    weight: float = 0.1
    roles: Collection[str] | None = _LEARNS

    def __post_init__(self) -> None:
        _check_above(self.reference, 0, "the reference cost")

    def __call__(self, forward: Forward) -> Tensor | None:
        if not applies(self.roles, forward):
            return None
        return self.weight * (self.cost(forward.probabilities) - self.reference) / self.reference


@dataclass(frozen=True, eq=False)
class LogCost:
    """``weight * log E`` of the expected cost E, so that the unit makes no difference (Stamoulis et al., 2019).

    Attributes:
        cost: the expected cost.
        weight: factor; Single-Path NAS multiplies what it calls its weight by 1000.
        roles: the roles to which it applies; None for all.

    Raises:
        UsageError: when called, the expected cost is not positive.
    """

    cost: CostFunction
    weight: float
    roles: Collection[str] | None = _LEARNS

    def __call__(self, forward: Forward) -> Tensor | None:
        return self.weight * _log(self.cost, forward, above=0) if applies(self.roles, forward) else None


@dataclass(frozen=True, eq=False)
class ScaledLoss:
    """``a * loss * (log E / log reference)^b`` of the expected cost E (ProxylessNAS' released code, Cai et al., 2019).

    Attributes:
        loss: the term that is scaled; it decides for which roles.
        cost: the expected cost.
        reference: in the unit of the cost; more than 1, as the expected cost must be.
        a, b: factor and exponent as published.

    Raises:
        UsageError: the reference or, when called, the expected cost is not above 1 in its unit.
    """

    loss: LossTerm
    cost: CostFunction
    reference: float
    a: float = 0.2
    b: float = 0.3

    def __post_init__(self) -> None:
        _check_above(self.reference, 1, "the reference cost")

    def __call__(self, forward: Forward) -> Tensor | None:
        loss = self.loss(forward)
        if loss is None:
            return None
        return self.a * loss * (_log(self.cost, forward, above=1) / math.log(self.reference)) ** self.b


@dataclass(frozen=True, eq=False)
class TargetCost:
    """Pulls the expected cost E to a target from both sides (TAS, Dong and Yang, 2019).

    ``weight * log E`` while the likeliest architecture costs more than the target, ``-weight * log E`` while it costs
    less than a band below the target, else 0.

    Attributes:
        cost: the expected cost.
        target: in the unit of the cost; positive.
        tolerance: height of the band as a share of the target; as published it is 0.05 of the cost of the *largest*
            architecture, so give ``0.05 * largest / target`` for that.
        weight: 2 as published.
        roles: the roles to which it applies; None for all.

    Raises:
        UsageError: the target or, when called, the expected cost is not positive.
    """

    cost: CostFunction
    target: float
    tolerance: float = 0.05
    weight: float = 2.0
    roles: Collection[str] | None = _LEARNS

    def __post_init__(self) -> None:
        _check_above(self.target, 0, "the target cost")

    def __call__(self, forward: Forward) -> Tensor | None:
        if not applies(self.roles, forward):
            return None
        with torch.no_grad():
            likeliest = float(self.cost({name: _one_hot(each) for name, each in forward.probabilities.items()}))
        above, below = likeliest > self.target, likeliest < self.target * (1 - self.tolerance)
        return self.weight * (above - below) * _log(self.cost, forward, above=0)


def _log(cost: CostFunction, forward: Forward, above: float) -> Tensor:
    expected = cost(forward.probabilities)
    _check_above(float(expected.detach()), above, "the expected cost")
    return expected.log()


def _one_hot(probabilities: Tensor) -> Tensor:
    return F.one_hot(probabilities.argmax(), len(probabilities)).to(probabilities)


def _check_above(value: float, bound: float, what: str) -> None:
    if not value > bound:
        raise UsageError(
            f"{what} is {value:g}, but this loss takes its logarithm or divides by it and needs more than {bound:g}; "
            "give costs in a smaller unit, such as microseconds instead of milliseconds."
        )
