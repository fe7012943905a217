"""Small modules of which tests of every layer put models together."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Concat", "Fed", "SelfAttention", "SqueezeExcite", "same"]


class SelfAttention(nn.Module):
    """Attention as a module of one input and one output."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, x, x)[0]
        return y


class Fed(nn.Module):
    """A module of several inputs, each made of the one that there is."""

    def __init__(self, inside: nn.Module, *inputs: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inside, self.inputs = inside, inputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inside(*(made(x) for made in self.inputs))
        return y


def same(x: Tensor) -> Tensor:
    """The input as it is."""
    return x


class Concat(nn.Module):
    """Branches side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))
