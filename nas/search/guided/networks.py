"""Small networks that learn from a few hundred architectures: several of one shape at once, on the CPU."""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["Drop", "Networks"]

Drop = Callable[[Tensor], Tensor]
"""What a hidden layer gives ``[members, n, width]`` → the same with some of it dropped."""


class Networks:
    """Perceptrons with ReLU, which share nothing and run as one batched product.

    Args:
        members: how many.
        sizes: of the layers, from the input to the output.
        seed: of the first weights, which alone make the members differ.
    """

    def __init__(self, members: int, sizes: Sequence[int], seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        shapes = list(itertools.pairwise(sizes))
        scales = [(2 / inputs) ** 0.5 for inputs, _ in shapes]
        self.weights = [
            (torch.randn(members, *shape, generator=generator) * scale).requires_grad_()
            for shape, scale in zip(shapes, scales, strict=True)
        ]
        self.biases = [torch.zeros(members, 1, outputs, requires_grad=True) for _, outputs in shapes]

    def hidden(self, x: Tensor, drop: Drop | None = None) -> Tensor:
        """What the last layer reads ``[members, n, width]``, of ``[n, inputs]`` or ``[members, n, inputs]``."""
        x = x.expand(len(self.weights[0]), *x.shape[-2:])
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.relu(torch.baddbmm(bias, x, weight))
            x = x if drop is None else drop(x)
        return x

    def __call__(self, x: Tensor, drop: Drop | None = None) -> Tensor:
        """Outputs ``[members, n, outputs]``; with dropout if told how to drop."""
        return torch.baddbmm(self.biases[-1], self.hidden(x, drop), self.weights[-1])

    def adopt(self, other: "Networks") -> None:
        """Takes over what another has learnt, which has the same layers but for the last."""
        with torch.no_grad():
            for own, learnt in ((self.weights, other.weights), (self.biases, other.biases)):
                for mine, taken in zip(own[:-1], learnt[:-1], strict=True):
                    mine.copy_(taken)

    def freeze(self) -> None:
        """Nothing is learnt any more, so that gradients in what is read cost less."""
        for each in (*self.weights, *self.biases):
            each.requires_grad_(False)

    def fit(
        self, loss: Callable[[], Tensor], steps: int, rate: float = 0.01, decay: float = 1e-4, frozen: int = 0
    ) -> None:
        """Lowers a loss, summed over the members, by AdamW with a cosine schedule; the first layers may be frozen."""
        learning = [*self.weights[frozen:], *self.biases[frozen:]]
        optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=decay, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
