"""A moving average of the weights, which is evaluated in their place (Polyak and Juditsky, 1992; of supernets, Yu et
al., How to train your super-net, 2020)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]

_STATISTICS = ("running_mean", "running_var")


class WeightAverage:
    """The exponential moving average of parameters and of the running statistics of batch norms.

    It begins with the weights as they are now. A weight that is exactly zero, as pruning leaves it, is zero in the
    average too.

    Args:
        model: whose weights train.
        decay: of the average, less in the first steps, see :meth:`decay_at`; 0 averages nothing and costs nothing.

    Attributes:
        others: name in the model → the averages; while these are in the model, the weights as they train.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        parameters = dict(model.named_parameters()) if decay else {}
        buffers = {name: each for name, each in model.named_buffers() if decay and name.endswith(_STATISTICS)}
        self._parameters = set(parameters)
        self._trained: dict[str, Tensor] = {**parameters, **buffers}
        self.others = {name: each.detach().clone() for name, each in self._trained.items()}

    @property
    def buffers(self) -> list[Tensor]:
        """The averages of running statistics."""
        return [each for name, each in self.others.items() if name not in self._parameters]

    def decay_at(self, step: int) -> float:
        """``min(decay, (1 + step) / (10 + step))``, so that a short training forgets the weights it began with."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the averages towards the weights that a step left.

        Args:
            step: number of the step since the average began, from 0.
        """
        share = 1 - self.decay_at(step)
        for name, weight in self._trained.items():
            average = self.others[name].lerp_(weight, share)
            if name in self._parameters:
                average.mul_(weight != 0)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the model has the averages; afterwards, to the bit, the weights as they train."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    @torch.no_grad()
    def exchange(self) -> None:
        """Gives the model the averages, and the next time its weights again."""
        for name, weight in self._trained.items():
            kept = weight.clone()
            weight.copy_(self.others[name])
            self.others[name].copy_(kept)

    def restore(self, trained: Mapping[str, Tensor]) -> None:
        """Goes on from a checkpoint, which the model was loaded from.

        Args:
            trained: what :attr:`others` were when it was written, with the averages in the model.
        """
        for name, weight in self.others.items():
            weight.copy_(trained[name])
        self.exchange()
