"""A model space written for NNI, with each kind of choice that it has, and samples of spaces for NNI."""

from typing import Any

import nni
import torch
from nni.nas.nn.pytorch import (
    Cell,
    InputChoice,
    LayerChoice,
    ModelSpace,
    MutableBatchNorm2d,
    MutableConv2d,
    MutableLinear,
    Repeat,
)
from torch import Tensor, nn

from nas.space import Architecture

__all__ = ["EveryKind", "sample_of"]


class Block(nn.Module):
    """A residual block whose inner width and kernel vary, and may differ from block to block."""

    def __init__(self, width: Any, label: str) -> None:
        super().__init__()
        inner = nni.choice(f"{label}_ratio", [1, 2]) * width
        kernel = nni.choice(f"{label}_kernel", [3, 5])
        self.expand = MutableConv2d(width, inner, kernel, padding=kernel // 2)
        self.norm = MutableBatchNorm2d(inner)
        self.reduce = MutableConv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.reduce(torch.relu(self.norm(self.expand(x))))


class EveryKind(ModelSpace):
    """Layer choice, input choice, values, a repeat and a cell."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        width = nni.choice("width", [4, 8])
        self.stem = MutableConv2d(3, width, 3, padding=1)
        self.blocks = Repeat(lambda index: Block(width, f"block{index}"), (1, 3), label="depth")
        self.plain = MutableConv2d(width, 4, 1)
        self.layer = LayerChoice({"conv": nn.Conv2d(4, 4, 3, padding=1), "skip": nn.Identity()}, label="layer")
        self.skips = InputChoice(3, 2, reduction="mean", label="skips")
        self.cell = Cell(
            {"conv": lambda *_: nn.Conv2d(4, 4, 3, padding=1), "pool": lambda *_: nn.AvgPool2d(3, 1, 1)},
            2, 2, 1, label="cell",
        )  # fmt: skip
        self.head = MutableLinear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.plain(self.blocks(self.stem(x)))
        y = self.layer(x)
        z = self.skips([x, y, x * y])
        return self.head(self.cell(z).mean((2, 3)))


def sample_of(space: ModelSpace, architecture: Architecture) -> dict[str, Any]:
    """An architecture as NNI has it, which wants a value for inactive choices too."""
    chosen = {name: list(value) if isinstance(value, tuple) else value for name, value in architecture.items()}
    return {label: mutable.default() for label, mutable in space.simplify().items()} | chosen
