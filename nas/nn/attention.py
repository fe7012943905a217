"""Elastic multi-head attention."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.bias import Bias, bias_of, may_be_there
from nas.nn.channels import Channels, Region, channels
from nas.nn.elastic import Copy, ElasticLayer, State, uninitialised
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gates, single_value
from nas.nn.graph import as_graph
from nas.space import choices_of, largest, outcomes

__all__ = ["MultiheadAttention"]

_PROJECTIONS = ("query", "key", "value")


@dataclass(frozen=True)
class _AttentionState(State):
    embed: Channels
    inner: Channels
    heads: int
    inner_bias: Bias
    out_bias: Bias


class MultiheadAttention(ElasticLayer[_AttentionState]):
    """``torch.nn.MultiheadAttention`` whose ``embed_dim``, ``num_heads``, ``head_dim`` and ``bias`` may be choices.

    Without ``head_dim`` the heads divide the width, as in torch. With it each head has that many features and
    fewer heads are a smaller layer, the leading heads of the largest (HAT, Wang et al., 2020; AutoFormer, Chen et
    al., 2021). Where it is a choice itself, smaller heads are the leading features of each of the largest. Under a soft
    gate over the heads the output of each head is weighted; the size of a head follows one-hot gates alone.

    Shapes: queries ``[L, N, embed_dim]``, keys and values ``[S, N, embed_dim]``, or ``[N, L, embed_dim]`` with
    ``batch_first``; the result is ``(output of the queries' shape, None)``: attention weights are not returned.
    ``attn_mask`` is added to the scores. For dropout put a ``nn.Dropout`` behind the layer.

    Args:
        head_dim: features of a head, an addition to torch's arguments.

    Raises:
        UsageError: heads that do not divide the width, or a choice for another argument.
    """

    def __init__(
        self,
        embed_dim: Any,
        num_heads: Any,
        bias: Any = True,
        batch_first: bool = False,
        head_dim: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_fixed("MultiheadAttention", batch_first=batch_first, device=device, dtype=dtype)
        for width, heads in outcomes(embed_dim, num_heads):
            if head_dim is None and width % heads:
                raise UsageError(
                    f"MultiheadAttention num_heads={heads} does not divide embed_dim={width}; give head_dim."
                )
        self.batch_first = batch_first
        self.arguments = {"embed_dim": embed_dim, "num_heads": num_heads, "head_dim": head_dim, "bias": bias}
        columns, has_bias = largest(embed_dim), may_be_there(bias)
        rows = columns if head_dim is None else largest(num_heads) * largest(head_dim)
        for name in _PROJECTIONS:
            self._add_linear(name, rows, columns, has_bias, device=device, dtype=dtype)
        self._add_linear("out", columns, rows, has_bias, device=device, dtype=dtype)
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
        inner, heads = self._heads(embed, gates)
        inner_bias, out_bias = (bias_of(self.arguments["bias"], each.ranges, gates) for each in (inner, embed))
        inwards = (inner.ranges, embed.ranges)
        regions: dict[str, Region] = {f"{name}_weight": inwards for name in _PROJECTIONS}
        regions |= {f"{name}_bias": (inner_bias.ranges,) for name in _PROJECTIONS}
        regions |= {"out_weight": inwards[::-1], "out_bias": (out_bias.ranges,)}
        return _AttentionState(regions, embed, inner, heads, inner_bias, out_bias)

    def _heads(self, embed: Channels, gates: Gates) -> tuple[Channels, int]:
        """The features of all heads together, and the number of heads."""
        get = self.arguments
        if get["head_dim"] is None:
            single_value(get["embed_dim"], gates, "MultiheadAttention embed_dim without head_dim")
            return embed, int(single_value(get["num_heads"], gates, "MultiheadAttention num_heads without head_dim"))
        if not choices_of(get["head_dim"]):
            inner = channels(get["num_heads"] * get["head_dim"], gates)
            return inner, inner.count // get["head_dim"]
        heads = int(single_value(get["num_heads"], gates, "MultiheadAttention num_heads with a choice of head_dim"))
        size, room = single_value(get["head_dim"], gates, "MultiheadAttention head_dim"), largest(get["head_dim"])
        return Channels(tuple((head * room, head * room + size) for head in range(heads))), heads

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
        bias = self.state.out_bias if name == "out" else self.state.inner_bias
        return bias.apply(self.part(f"{name}_bias")) if bias.is_there else None


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
    has_bias = layer.state.out_bias.is_there
    linear = uninitialised(nn.Linear, columns, rows, bias=has_bias, device=weight.device, dtype=weight.dtype)
    for each in ("weight", "bias") if has_bias else ("weight",):
        setattr(linear, each, copy.tensor(layer, f"{name}_{each}"))
    return linear
