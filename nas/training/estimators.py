"""The gradient of architecture parameters in bilevel training.

The architecture parameters alpha minimise the validation loss at weights w that minimise the training loss:
``min_alpha L_val(w*(alpha), alpha)``. An estimator says how much of ``w*(alpha)`` the gradient sees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.errors import UsageError

__all__ = ["BilevelProblem", "Estimator", "Gradients", "first_order", "hypergradient", "unrolled"]

Loss = Callable[[], Tensor]

Gradients = list[Tensor | None]
"""One for each tensor; None where the loss does not depend on it."""


@dataclass(frozen=True, eq=False)
class BilevelProblem:
    """The two losses of one architecture step.

    Attributes:
        training_loss: a fresh forward pass on a fixed batch with fixed gates, at the weights and alphas as they are.
        validation_loss: likewise on the batch of the architecture step.
        weights: leaf tensors that the training loss depends on; those that are not on the path are left alone.
        alphas: leaf tensors, the architecture parameters.
        optimizer: of the weights; what looks ahead needs it.
    """

    training_loss: Loss
    validation_loss: Loss
    weights: Sequence[Tensor]
    alphas: Sequence[Tensor]
    optimizer: torch.optim.Optimizer | None = None


Estimator = Callable[[BilevelProblem], Gradients]
"""The gradient of each of the problem's alphas; everything else stays as it is."""


def first_order(problem: BilevelProblem) -> Gradients:
    """The gradient of the validation loss at the weights as they are (DARTS of first order, Liu et al., 2019)."""
    return _gradients(problem.validation_loss, problem.alphas)


def unrolled(problem: BilevelProblem, epsilon: float = 0.01) -> Gradients:
    """The gradient of the validation loss after one step of the weights (DARTS of second order, Liu et al., 2019).

    The step is plain SGD with the learning rate, momentum buffers and weight decay of the optimiser, without Nesterov's
    correction and clipping, as published. Costs three more passes and a copy of the weights. Dropout would draw anew in
    each pass.

    Raises:
        UsageError: the weights are not trained by SGD.
    """
    optimizer = problem.optimizer
    if not isinstance(optimizer, torch.optim.SGD):
        raise UsageError(
            "the unrolled gradient looks one step of SGD ahead, but the weights are trained by "
            f"{type(optimizer).__name__ if optimizer else 'no optimiser that it knows'}; use optimizer=sgd, or the "
            "first-order gradient."
        )
    groups = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    settings = [groups[id(weight)] for weight in problem.weights]
    buffers = [optimizer.state.get(weight, {}).get("momentum_buffer") for weight in problem.weights]
    return hypergradient(
        problem.training_loss,
        problem.validation_loss,
        problem.weights,
        problem.alphas,
        rates=[group["lr"] for group in settings],
        inertia=[None if b is None else group["momentum"] * b for b, group in zip(buffers, settings, strict=True)],
        decays=[group["weight_decay"] for group in settings],
        epsilon=epsilon,
    )


def hypergradient(
    training_loss: Loss,
    validation_loss: Loss,
    weights: Sequence[Tensor],
    alphas: Sequence[Tensor],
    *,
    rates: Sequence[float],
    inertia: Sequence[Tensor | None],
    decays: Sequence[float],
    epsilon: float = 0.01,
) -> Gradients:
    """``d L_val(w', alpha) / d alpha`` with ``w' = w - rate * (inertia + dL_tr/dw + decay * w)``.

    With ``u = rate * dL_val/dw'`` what goes through ``w'`` is ``- d/dalpha (dL_tr/dw . u)``. It is computed as a
    central difference of ``dL_tr/dalpha`` along ``u``, exact where the training loss is quadratic. The weights are
    bit-identical afterwards.

    Args:
        rates, decays: learning rate and weight decay of each weight.
        inertia: momentum times momentum buffer of each weight; None where there is none.
        epsilon: length of the step in weight space to each side.
    """
    kept = [weight.detach().clone() for weight in weights]
    try:
        slopes = _gradients(training_loss, weights)
        for weight, slope, pull, rate, decay in zip(weights, slopes, inertia, rates, decays, strict=True):
            if slope is not None:
                _move(weight, -rate, slope + decay * weight.detach() + (0.0 if pull is None else pull))
        both = _gradients(validation_loss, [*alphas, *weights])
        direct, ahead = both[: len(alphas)], both[len(alphas) :]
        ways = [None if slope is None else rate * slope for slope, rate in zip(ahead, rates, strict=True)]
        length = _norm(ways)
        if length == 0:
            return direct
        plus = _alpha_gradients_at(training_loss, alphas, weights, kept, ways, epsilon / length)
        minus = _alpha_gradients_at(training_loss, alphas, weights, kept, ways, -epsilon / length)
    finally:
        _restore(weights, kept)
    return [_difference(*each, length / (2 * epsilon)) for each in zip(direct, plus, minus, strict=True)]


def _alpha_gradients_at(
    loss: Loss,
    alphas: Sequence[Tensor],
    weights: Sequence[Tensor],
    kept: Sequence[Tensor],
    ways: Gradients,
    distance: float,
) -> Gradients:
    """The gradients of the alphas at the kept weights plus ``distance`` times ``ways``."""
    _restore(weights, kept)
    for weight, way in zip(weights, ways, strict=True):
        if way is not None:
            _move(weight, distance, way)
    return _gradients(loss, alphas)


def _gradients(loss: Loss, tensors: Sequence[Tensor]) -> Gradients:
    return list(torch.autograd.grad(loss(), tensors, allow_unused=True))


@torch.no_grad()
def _move(weight: Tensor, distance: float, way: Tensor) -> None:
    weight.add_(way, alpha=distance)


@torch.no_grad()
def _restore(weights: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
    for weight, old in zip(weights, kept, strict=True):
        weight.copy_(old)


def _norm(tensors: Gradients) -> float:
    norms = [tensor.norm() for tensor in tensors if tensor is not None]
    return float(torch.stack(norms).norm()) if norms else 0.0


def _difference(direct: Tensor | None, plus: Tensor | None, minus: Tensor | None, factor: float) -> Tensor | None:
    if plus is None or minus is None:
        return direct
    through_weights = -factor * (plus - minus)
    return through_weights if direct is None else direct + through_weights
