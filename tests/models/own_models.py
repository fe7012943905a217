"""Models as users have them: in a module of their own, of plain layers."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Block", "Small", "build", "decides", "embedded", "fails", "half", "returns_nothing", "wide"]


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


class Small(nn.Module):
    """Two residual blocks."""

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(input_shape[0], width, 3, padding=1)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


def build(input_shape: tuple[int, ...], classes: int, width: int = 8) -> nn.Module:
    return Small(input_shape, classes, width)


def wide() -> nn.Module:
    """Says more than there are classes."""
    return Small((1, 8, 8), 12)


def embedded(classes: int) -> nn.Module:
    return nn.Sequential(nn.Embedding(classes, 16), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, classes))


class _Deciding(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.mean() > 0 else super().forward(-x)


def decides() -> nn.Module:
    return _Deciding((1, 8, 8), 10)


def half() -> nn.Module:
    return Small((1, 8, 8), 10).half()


def returns_nothing() -> Any:
    return None


def fails(classes: int) -> nn.Module:
    raise RuntimeError("no such thing")
