"""Random numbers and the gates made of them, for every relaxation that samples."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

__all__ = ["draw", "gumbel_noise", "perturbed", "spread", "straight_through"]


def gumbel_noise(like: Tensor) -> Tensor:
    """Standard Gumbel noise in the shape of a tensor, drawn anew until all of it is finite."""
    while True:
        noise = -torch.empty_like(like).exponential_().log()
        if noise.isfinite().all():
            return noise


def perturbed(logits: Tensor, temperature: float) -> Tensor:
    """``(log_softmax(logits) + Gumbel noise) / temperature`` over the last dimension.

    Its softmax is a sample of the concrete distribution; its argmax follows softmax(logits) at any temperature.
    """
    return (logits.log_softmax(-1) + gumbel_noise(logits)) / temperature


def draw(logits: Tensor, count: int = 1) -> list[int]:
    """Positions drawn one after another from softmax(logits), none twice; in order.

    The largest of the perturbed log-probabilities are such a draw (Gumbel top-k), also where probabilities underflow.
    """
    return sorted(perturbed(logits.detach(), 1).topk(count).indices.tolist())


def straight_through(probabilities: Tensor, position: int) -> Tensor:
    """``onehot(position) - stopgrad(p) + p`` for probabilities ``p``, whose gradient it has.

    It is one-hot to the last bit: ``(1 - p) + p`` always rounds to one.
    """
    target = torch.tensor(position, device=probabilities.device)
    hard = one_hot(target, len(probabilities)).to(probabilities)
    return hard - probabilities.detach() + probabilities


def spread(weights: Tensor, positions: Sequence[int], size: int) -> Tensor:
    """A tensor ``[size]`` with the weights at their positions, zero elsewhere."""
    index = torch.tensor(positions, device=weights.device)
    return weights.new_zeros(size).index_copy(0, index, weights)
