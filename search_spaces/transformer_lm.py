"""A small language model: a decoder with elastic width, depth, heads and feed-forward widths."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Embedding, LayerNorm, Linear, Repeat
from nas.space import Choice, round_to
from search_spaces.transformer_layer import TransformerLayer

__all__ = ["ClassesFirst", "TokenEmbedding", "transformer_lm"]


def transformer_lm(
    input_shape: tuple[int, ...] = (64,),
    classes: int = 65,
    widths: Sequence[int] = (32, 64, 96),
    depths: Sequence[int] = (2, 3, 4),
    heads: Sequence[int] = (2, 4, 6),
    head_dim: int = 16,
    ratios: Sequence[float] = (1, 2, 3),
    dropout: float = 0.0,
) -> nn.Module:
    """A pre-norm decoder that says at every position which token comes next (GPT-2, Radford et al., 2019).

    As in HAT (Wang et al., 2020) the network chooses its width and its depth, and every layer its number of heads and
    its feed-forward width. Smaller ones are the leading parts of the largest. The defaults suit one processor core.

    Shapes: tokens ``[N, length]`` → logits ``[N, classes, length]``; those at a position depend on it and on what is
    before it alone.

    Args:
        input_shape: one number, the most tokens that a text may have.
        classes: number of different tokens, for input and output.
        widths: candidates of the number of features of a token.
        depths: candidates of the number of layers.
        heads: candidates of each layer's number of attention heads.
        head_dim: features of a head.
        ratios: candidates of each layer's hidden features, as factors of the width; products are multiples of eight.
        dropout: probability that an output of the embedding, of attention or of a feed-forward network is dropped.

    Raises:
        UsageError: an input that is no sequence of tokens.
    """
    if len(input_shape) != 1:
        raise UsageError(
            f"transformer_lm takes sequences of tokens, but input_shape is {tuple(input_shape)}; give it data of text, "
            "whose shape is one length, such as (64,)."
        )
    width = Choice(widths, name="width")
    layers = [
        TransformerLayer(
            width,
            Choice(heads, name=f"layers.{layer}.heads"),
            head_dim,
            round_to(width * Choice(ratios, name=f"layers.{layer}.ratio"), 8),
            dropout,
            causal=True,
        )
        for layer in range(max(depths))
    ]
    blocks = [
        ("embedding", TokenEmbedding(classes, input_shape[0], width, dropout)),
        ("layers", Repeat(layers, Choice(depths, name="depth"))),
        ("head", nn.Sequential(LayerNorm(width), Linear(width, classes), ClassesFirst())),
    ]
    return nn.Sequential(OrderedDict(blocks))


class TokenEmbedding(nn.Module):
    """A learnt vector for each token and one for each position, added.

    Shapes: ``[N, L]`` integers below ``tokens``, for L up to ``length`` → ``[N, L, width]``.
    """

    def __init__(self, tokens: int, length: int, width: Any, dropout: float) -> None:
        super().__init__()
        self.tokens, self.positions = Embedding(tokens, width), Embedding(length, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device)))
        return y


class ClassesFirst(nn.Module):
    """Logits as losses take them. Shapes: ``[N, L, classes]`` → ``[N, classes, L]``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)
