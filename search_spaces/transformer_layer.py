"""The layer of transformers, of elastic width, heads and feed-forward size."""

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from nas.nn import LayerNorm, Linear, MultiheadAttention

__all__ = ["TransformerLayer"]


class TransformerLayer(nn.Module):
    """Attention and a feed-forward network, each with a norm before and a shortcut around it.

    Shapes: ``[N, L, width]`` → the same.

    Args:
        width: features of a token; may be a choice.
        heads: of the attention; may be a choice.
        head_dim: features of a head.
        hidden: features inside the feed-forward network; may be a choice.
        dropout: probability that an output of attention or of the feed-forward network is dropped.
        causal: whether a position sees those before it alone.
    """

    def __init__(
        self, width: Any, heads: Any, head_dim: int, hidden: Any, dropout: float = 0.0, causal: bool = False
    ) -> None:
        super().__init__()
        self.attention_norm = LayerNorm(width)
        self.attention = MultiheadAttention(width, heads, batch_first=True, head_dim=head_dim)
        self.feed_forward_norm = LayerNorm(width)
        self.feed_forward = nn.Sequential(
            OrderedDict(expand=Linear(width, hidden), activation=nn.GELU(), project=Linear(hidden, width))
        )
        self.dropout = nn.Dropout(dropout)
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        y = self.attention_norm(x)
        y = x + self.dropout(self.attention(y, y, y, is_causal=self.causal)[0])
        z: Tensor = y + self.dropout(self.feed_forward(self.feed_forward_norm(y)))
        return z
