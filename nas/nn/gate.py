"""Gates: how much of each candidate a choice passes on.

A discrete architecture is the one-hot gate, a relaxation yields soft ones, and one forward serves both. The gate
of an expression is the push-forward of its choices' gates: outcomes that are equal are merged.
"""

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from nas.errors import UsageError
from nas.space import Choice, choices_of, evaluate

__all__ = ["Gate", "Gates", "Idle", "push_forward", "single_value"]


@dataclass(frozen=True, eq=False)
class Idle:
    """Candidates that are not run, of weight zero, whose weights learn all the same.

    Attributes:
        values: the candidates.
        weights: tensor ``[len(values)]`` of zeros, differentiable.
        gradient: "ones", as if the output of each were all ones (the ghost terms of GDAS, Dong and Yang, 2019);
            "outputs", from what each gives, which is computed in the backward pass without a graph of its own, so that
            memory is that of one path (ProxylessNAS, Cai et al., 2019).
        within: what is open while outputs are computed, such as that modules read the weights of another bank.
    """

    values: tuple[Any, ...]
    weights: Tensor
    gradient: Literal["ones", "outputs"]
    within: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True, eq=False)
class Gate:
    """Weights over the active candidates of a choice, or over the outcomes of an expression.

    Attributes:
        values: the candidates that are run; the others do not exist for this pass. Of a subset, its elements.
        weights: tensor ``[len(values)]``, differentiable; None for a single candidate of weight one.
        idle: candidates that only learn; modules that choose between modules heed it.
    """

    values: tuple[Any, ...]
    weights: Tensor | None = None
    idle: Idle | None = None

    def mix(self, function: Callable[[Any], Tensor]) -> Tensor:
        """``sum(weight * function(value))`` over the active candidates."""
        if self.weights is None:
            return function(self.values[0])
        terms = [weight * function(value) for weight, value in zip(self.weights, self.values, strict=True)]
        mixed: Tensor = sum(terms[1:], terms[0])
        return mixed

    def mix_with_idle(self, function: Callable[[Any], Tensor]) -> Tensor:
        """Like :meth:`mix`, and the weights of idle candidates get their gradient."""
        y = self.mix(function)
        if self.idle is None:
            return y
        if self.idle.gradient == "ones":
            return y + self.idle.weights.sum()
        outputs = [partial(function, value) for value in self.idle.values]
        learnt: Tensor = _LearnFromOutputs.apply(y, self.idle.weights, outputs, self.idle.within)  # type: ignore[no-untyped-call]
        return learnt


class _LearnFromOutputs(torch.autograd.Function):
    """Passes ``y`` on; backward, the weight of an output gets the sum of it times the gradient of ``y``.

    Outputs are computed in the precision of the forward pass, and summed in float32 at least.
    """

    @staticmethod
    def forward(
        ctx: Any,
        y: Tensor,
        weights: Tensor,
        outputs: Sequence[Callable[[], Tensor]],
        within: Callable[[], AbstractContextManager[None]],
    ) -> Tensor:
        ctx.outputs, ctx.within, ctx.dtype = outputs, within, weights.dtype
        ctx.precision = _precision(y.device.type)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        with torch.no_grad(), ctx.precision, ctx.within():
            products = [(gradient * output()).sum(dtype=ctx.dtype) for output in ctx.outputs]
        return gradient, torch.stack(products), None, None


def _precision(device: str) -> AbstractContextManager[None]:
    """Autocasting as it is now, on a type of device that knows it."""
    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    return torch.autocast(device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))


Gates = Mapping[Choice, Gate]


def push_forward(function: Callable[[Mapping[Any, Any]], Hashable], choices: tuple[Any, ...], gates: Gates) -> Gate:
    """The gate of ``function(assignment)`` when each choice follows its own gate, independently.

    Args:
        function: maps an assignment of the choices to a hashable outcome.
        choices: the choices it reads; each needs a gate.
        gates: a gate for each choice.
    """
    if all(gates[choice].weights is None for choice in choices):
        return Gate((function({choice: gates[choice].values[0] for choice in choices}),))
    merged: dict[Hashable, Tensor] = {}
    for indices in itertools.product(*(range(len(gates[choice].values)) for choice in choices)):
        outcome = function({c: gates[c].values[i] for c, i in zip(choices, indices, strict=True)})
        factors = [gates[c].weights[i] for c, i in zip(choices, indices, strict=True) if gates[c].weights is not None]  # type: ignore[index]
        weight = torch.stack(factors).prod()
        merged[outcome] = merged[outcome] + weight if outcome in merged else weight
    return Gate(tuple(merged), torch.stack(list(merged.values())))


def single_value(argument: Any, gates: Gates, name: str) -> Any:
    """The one value of an argument that cannot be mixed.

    Raises:
        UsageError: the argument follows a soft gate with several active candidates.
    """
    gate = push_forward(lambda values: evaluate(argument, values), choices_of(argument), gates)
    if len(gate.values) > 1:
        raise UsageError(
            f"{name} cannot follow a soft gate over {list(gate.values)}; "
            "put one layer for each value into a nas.nn.OneOf instead."
        )
    return gate.values[0]
