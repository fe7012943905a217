"""Elastic multi-head attention."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channels import Channels, Region, channels
from nas.nn.elastic import Copy, ElasticLayer, State, uninitialised
from nas.nn.gate import Gates, single_value
from nas.nn.graph import as_graph
from nas.space import largest, outcomes

__all__ = ["MultiheadAttention"]

_PROJECTIONS = ("query", "key", "value")


@dataclass(frozen=True)
class _AttentionState(State):
    embed: Channels
    inner: Channels
    heads: int


class MultiheadAttention(ElasticLayer[_AttentionState]):
    """``torch.nn.MultiheadAttention`` whose ``embed_dim`` and ``num_heads`` may be choices.

    Without ``head_dim`` the heads divide the width, as in torch. With it each head has that many features and
    fewer heads are a smaller layer, the leading heads of the largest (HAT, Wang et al., 2020; AutoFormer, Chen et
    al., 2021). Under a soft gate over the heads the output of each head is weighted.

    Shapes: queries ``[L, N, embed_dim]``, keys and values ``[S, N, embed_dim]``, or ``[N, L, embed_dim]`` with
    ``batch_first``; the result is ``(output of the queries' shape, None)``: attention weights are not returned.
    ``attn_mask`` is added to the scores. For dropout put a ``nn.Dropout`` behind the layer.

    Args:
        head_dim: features of a head, an addition to torch's arguments.

    Raises:
        UsageError: heads that do not divide the width.
    """

    def __init__(
        self,
        embed_dim: Any,
        num_heads: Any,
        bias: bool = True,
        batch_first: bool = False,
        head_dim: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for width, heads in outcomes(embed_dim, num_heads):
            if head_dim is None and width % heads:
                raise UsageError(
                    f"MultiheadAttention num_heads={heads} does not divide embed_dim={width}; give head_dim."
                )
        self.batch_first, self.head_dim = batch_first, head_dim
        self.arguments = {"embed_dim": embed_dim, "num_heads": num_heads}
        self._inner_width = embed_dim if head_dim is None else num_heads * head_dim
        rows, columns = largest(self._inner_width), largest(embed_dim)
        for name in _PROJECTIONS:
            self._add_linear(name, rows, columns, bias, device=device, dtype=dtype)
        self._add_linear("out", columns, rows, bias, device=device, dtype=dtype)
        self.reset_parameters()

    def _add_linear(self, name: str, rows: int, columns: int, bias: bool, **options: Any) -> None:
        self.register_parameter(f"{name}_weight", nn.Parameter(torch.empty(rows, columns, **options)))
        self.register_parameter(f"{name}_bias", nn.Parameter(torch.empty(rows, **options)) if bias else None)

    def reset_parameters(self) -> None:
        """Fresh values, drawn as those of the ``torch.nn.Linear`` layers that projections are in a plain network."""
        for name in (*_PROJECTIONS, "out"):
            weight, bias = self.get_parameter(f"{name}_weight"), getattr(self, f"{name}_bias")
            bound = weight.shape[1] ** -0.5
            nn.init.uniform_(weight, -bound, bound)
            if bias is not None:
                nn.init.uniform_(bias, -bound, bound)

    def resolve(self, gates: Gates) -> _AttentionState:
        embed = channels(self.arguments["embed_dim"], gates)
        inner = channels(self._inner_width, gates)
        if self.head_dim is None:
            single_value(self.arguments["embed_dim"], gates, "MultiheadAttention embed_dim without head_dim")
            heads = single_value(self.arguments["num_heads"], gates, "MultiheadAttention num_heads without head_dim")
        else:
            heads = inner.count // self.head_dim
        inwards = (inner.ranges, embed.ranges)
        regions: dict[str, Region] = {f"{name}_weight": inwards for name in _PROJECTIONS}
        regions |= {f"{name}_bias": (inner.ranges,) for name in _PROJECTIONS}
        regions |= {"out_weight": inwards[::-1], "out_bias": (embed.ranges,)}
        return _AttentionState(regions, embed, inner, int(heads))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> tuple[Tensor, None]:
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            raise UsageError(
                "MultiheadAttention attn_mask is boolean; give 0 where attention is allowed, -inf elsewhere."
            )
        inputs = (query, key, value) if self.batch_first else (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = (
            _split_heads(F.linear(x, self.part(f"{name}_weight"), self._bias(name)), self.state.heads)
            for name, x in zip(_PROJECTIONS, inputs, strict=True)
        )
        mixed = _join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask, is_causal=is_causal))
        out = F.linear(self.state.inner.apply(mixed, -1), self.part("out_weight"), self._bias("out"))
        out = self.state.embed.apply(out, -1)
        return (out if self.batch_first else out.transpose(0, 1)), None

    def plain(self, copy: Copy) -> nn.Module:
        return as_graph(_PlainAttention(self, copy).train(self.training))

    def _bias(self, name: str) -> Tensor | None:
        return None if self.out_bias is None else self.part(f"{name}_bias")


class _PlainAttention(nn.Module):
    """The active attention made of plain linear layers; its heads together may be wider than the embedding."""

    def __init__(self, layer: MultiheadAttention, copy: Copy) -> None:
        super().__init__()
        self.heads, self.batch_first = layer.state.heads, layer.batch_first
        for name in (*_PROJECTIONS, "out"):
            self.add_module(name, _plain_linear(layer, name, copy))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> tuple[Tensor, None]:
        inputs = (query, key, value) if self.batch_first else (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = (
            _split_heads(self.get_submodule(name)(x), self.heads) for name, x in zip(_PROJECTIONS, inputs, strict=True)
        )
        mixed = _join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask, is_causal=is_causal))
        out = self.get_submodule("out")(mixed)
        return (out if self.batch_first else out.transpose(0, 1)), None


def _split_heads(x: Tensor, heads: int) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _join_heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def _plain_linear(layer: MultiheadAttention, name: str, copy: Copy) -> nn.Linear:
    weight = copy.tensor(layer, f"{name}_weight")
    rows, columns = weight.shape
    has_bias = layer.out_bias is not None
    linear = uninitialised(nn.Linear, columns, rows, bias=has_bias, device=weight.device, dtype=weight.dtype)
    for each in ("weight", "bias") if has_bias else ("weight",):
        setattr(linear, each, copy.tensor(layer, f"{name}_{each}"))
    return linear
