"""Good architectures that are remembered by a key, such as their level of a cost."""

import json

import numpy as np
import torch
from torch import Tensor

from nas.space import Architecture

__all__ = ["PathMemory"]


class PathMemory:
    """The architectures with the lowest losses at each level (ElasticViT, Tang et al., 2023).

    Args:
        levels: how many there are.
        size: architectures that a level remembers.
    """

    def __init__(self, levels: int, size: int) -> None:
        self.size = size
        self.losses: list[dict[Architecture, float]] = [{} for _ in range(levels)]

    def is_half_full(self, level: int) -> bool:
        """Whether a level remembers more than half of what it can."""
        return len(self.losses[level]) > self.size / 2

    def update(self, level: int, architecture: Architecture, loss: float) -> None:
        """Remembers an architecture with its newest loss, in place of the one with the highest if there is no room."""
        known = self.losses[level]
        known[architecture] = loss
        if len(known) > self.size:
            del known[max(known, key=lambda each: known[each])]

    def draw(self, level: int, draws: np.random.Generator) -> Architecture:
        """One that a level remembers, by the softmax of minus its loss."""
        known = list(self.losses[level].items())
        losses = np.array([loss for _, loss in known])
        weights = np.exp(losses.min() - losses)
        return known[int(draws.choice(len(known), p=weights / weights.sum()))][0]

    def to_tensor(self) -> Tensor:
        """All of it as the bytes of a text, uint8 ``[n]``."""
        content = [[[each.key, loss] for each, loss in known.items()] for known in self.losses]
        return torch.tensor(list(json.dumps(content).encode()), dtype=torch.uint8)

    def from_tensor(self, tensor: Tensor) -> None:
        """Takes what :meth:`to_tensor` gave."""
        content = json.loads(bytes(tensor.tolist()))
        self.losses = [{Architecture.from_json(key): loss for key, loss in known} for known in content]
