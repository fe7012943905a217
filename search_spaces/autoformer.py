"""A vision transformer of elastic width, depth, heads and feed-forward sizes."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Conv2d, LayerNorm, Linear, Parameter, Repeat
from nas.space import Choice, round_to
from search_spaces.transformer_layer import TransformerLayer

__all__ = ["FirstToken", "PatchEmbedding", "autoformer"]


def autoformer(
    input_shape: tuple[int, int, int] = (3, 224, 224),
    classes: int = 1000,
    patch: int | None = None,
    widths: Sequence[int] | None = None,
    depths: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    head_dim: int | None = None,
    ratios: Sequence[float] | None = None,
    dropout: float = 0.0,
) -> nn.Module:
    """The space of AutoFormer (Chen et al., 2021): a vision transformer of elastic sizes (Dosovitskiy et al., 2021).

    The network chooses its width and its depth, every layer its number of heads and its feed-forward width; smaller
    ones are the leading parts of the largest. Images of 64 pixels and more get the tiny space of the paper, without its
    positions relative to each other; smaller ones get a smaller network, which suits one processor core.

    Shapes: images ``[N, C, H, W]`` → logits ``[N, classes]``.

    Args:
        input_shape: channels, height and width of the images.
        classes: number of outputs.
        patch: side in pixels of the patches that are tokens; 16, or for small images 2 below 16 pixels, else 4.
        widths: candidates of the number of features of a token.
        depths: candidates of the number of layers.
        heads: candidates of each layer's number of attention heads.
        head_dim: features of a head.
        ratios: candidates of each layer's hidden features, as factors of the width; products are multiples of eight.
        dropout: probability that an output of the embedding, of attention or of a feed-forward network is dropped.

    Raises:
        UsageError: patches that do not divide the images.
    """
    channels, *sides = input_shape
    large = min(sides) >= 64
    patch = patch or (16 if large else 4 if min(sides) >= 16 else 2)
    if any(side % patch for side in sides):
        raise UsageError(
            f"autoformer cuts images into patches of {patch} x {patch} pixels, which do not divide "
            f"{' x '.join(map(str, sides))}; give another patch."
        )
    widths = widths or ((192, 216, 240) if large else (32, 48, 64))
    depths = depths or ((12, 13, 14) if large else (2, 3, 4))
    heads = heads or ((3, 4) if large else (2, 3, 4))
    head_dim = head_dim or (64 if large else 16)
    ratios = ratios or ((3.5, 4) if large else (1, 2, 3))
    width = Choice(widths, name="width")
    layers = [
        TransformerLayer(
            width,
            Choice(heads, name=f"layers.{layer}.heads"),
            head_dim,
            round_to(width * Choice(ratios, name=f"layers.{layer}.ratio"), 8),
            dropout,
        )
        for layer in range(max(depths))
    ]
    tokens = (sides[0] // patch) * (sides[1] // patch)
    blocks = [
        ("embedding", PatchEmbedding(channels, patch, tokens, width, dropout)),
        ("layers", Repeat(layers, Choice(depths, name="depth"))),
        ("head", nn.Sequential(LayerNorm(width), FirstToken(), Linear(width, classes))),
    ]
    return nn.Sequential(OrderedDict(blocks))


class PatchEmbedding(nn.Module):
    """A class token and the embedded patches behind it, each with its position added.

    Shapes: ``[N, channels, H, W]`` → ``[N, 1 + tokens, width]``.
    """

    def __init__(self, channels: int, patch: int, tokens: int, width: Any, dropout: float) -> None:
        super().__init__()
        self.project = Conv2d(channels, width, patch, stride=patch)
        self.token: Any = Parameter((1, 1, width))
        self.positions: Any = Parameter((1, 1 + tokens, width))
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fresh values of the class token and of positions."""
        for parameter in (self.token, self.positions):
            nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.project(x).flatten(2).transpose(1, 2)
        y: Tensor = self.dropout(torch.cat([self.token.expand(x.shape[0], -1, -1), patches], 1) + self.positions)
        return y


class FirstToken(nn.Module):
    """The class token. Shapes: ``[N, L, width]`` → ``[N, width]``."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]
