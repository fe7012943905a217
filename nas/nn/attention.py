"""Elastic multi-head attention."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channel_ranges import Channels, channels, joined
from nas.nn.elastic import Copy
from nas.nn.elastic_layer import Axes, ElasticLayer, uninitialised
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gate, Gates, push_forward, single_value
from nas.nn.graph import as_graph
from nas.space import choices_of, evaluate, largest, outcomes

__all__ = ["MultiheadAttention"]

_PROJECTIONS = ("query", "key", "value")


class MultiheadAttention(ElasticLayer):
    """``torch.nn.MultiheadAttention`` whose ``embed_dim``, heads, ``head_dim`` and ``bias`` may be choices.

    Without ``head_dim`` the heads divide the width, as in torch. With it each head has that many features and
    fewer heads are a smaller layer, the leading heads of the largest (HAT, Wang et al., 2020; AutoFormer, Chen et
    al., 2021). Where it is a choice itself, smaller heads are the leading features of each of the largest. Under a soft
    gate over the heads the output of each head is weighted; the size of a head follows one-hot gates alone.

    Of ``num_kv_heads`` keys and values each serves as many heads (grouped queries, Ainslie et al., 2023). With
    ``head_dim`` a head keeps its key and value whatever the architecture: fewer heads are the leading ones of each.

    Shapes: queries ``[L, N, embed_dim]``, keys and values ``[S, N, embed_dim]``, or ``[N, L, embed_dim]`` with
    ``batch_first``; the result is ``(output of the queries' shape, None)``: attention weights are not returned.
    ``attn_mask`` is added to the scores. For dropout put a ``nn.Dropout`` behind the layer.

    Args:
        head_dim: features of a head, an addition to torch's arguments.
        num_kv_heads: heads of keys and of values, another addition; ``num_heads`` by default.

    Raises:
        UsageError: heads that do not divide the width, or are no multiple of those of keys and values, or a choice for
            another argument.
    """

    axes = Axes(
        query_weight=("queries", "embed_dim"), query_bias=("queries",),
        key_weight=("keys", "embed_dim"), key_bias=("keys",),
        value_weight=("keys", "embed_dim"), value_bias=("keys",),
        out_weight=("embed_dim", "queries"), out_bias=("embed_dim",),
    )  # fmt: skip
    elastic = ("embed_dim", "num_heads", "head_dim", "bias", "num_kv_heads")

    def __init__(
        self,
        embed_dim: Any,
        num_heads: Any,
        bias: Any = True,
        batch_first: bool = False,
        head_dim: Any = None,
        device: Any = None,
        dtype: Any = None,
        num_kv_heads: Any = None,
    ) -> None:
        nn.Module.__init__(self)
        require_fixed("MultiheadAttention", batch_first=batch_first, device=device, dtype=dtype)
        kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        for width, heads, kept in outcomes(embed_dim, num_heads, kv_heads):
            if head_dim is None and width % heads:
                raise UsageError(
                    f"MultiheadAttention num_heads={heads} does not divide embed_dim={width}; give head_dim."
                )
            if heads % kept:
                raise UsageError(
                    f"MultiheadAttention num_heads={heads} is no multiple of num_kv_heads={kept}; let one follow the "
                    "other, as in num_heads=4 * num_kv_heads."
                )
        self.batch_first = batch_first
        self.arguments = {
            "embed_dim": embed_dim, "num_heads": num_heads, "head_dim": head_dim, "bias": bias, "num_kv_heads": kv_heads
        }  # fmt: skip
        most_kept, most_each = self._most_heads
        if head_dim is None:
            queries = largest(embed_dim)
            keys = (
                queries if most_each == 1 else max(w // h * k for w, h, k in outcomes(embed_dim, num_heads, kv_heads))
            )
        else:
            keys = most_kept * largest(head_dim)
            queries = keys * most_each
        sizes = {"embed_dim": largest(embed_dim), "queries": queries, "keys": keys}
        for name, axes in self.axes.items():
            tensor = torch.empty([sizes[axis.follows] for axis in axes if axis is not None], device=device, dtype=dtype)
            is_there = name.endswith("weight") or largest(bias)
            self.register_parameter(name, nn.Parameter(tensor) if is_there else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fresh values, drawn as those of the ``torch.nn.Linear`` layers that projections are in a plain network."""
        for name in self.axes:
            parameter, weight = getattr(self, name), self.get_parameter(f"{name.partition('_')[0]}_weight")
            if parameter is not None:
                nn.init.uniform_(parameter, -(weight.shape[1] ** -0.5), weight.shape[1] ** -0.5)

    def follow(self, gates: Gates) -> tuple[dict[str, Channels], dict[str, Any]]:
        embed, heads = channels(self.arguments["embed_dim"], gates), self._heads(gates)
        kept, each = map(max, zip(*heads.values, strict=True))
        counts = {"heads": kept * each, "kv_heads": kept}
        if self.arguments["head_dim"] is None:
            keys = embed if each == 1 else Channels(((0, embed.count // each),))
            return {"embed_dim": embed, "queries": embed, "keys": keys}, counts
        size, room = self._single("head_dim", gates), largest(self.arguments["head_dim"])
        _, of_one = self._most_heads
        places = [kv * of_one + head for kv in range(kept) for head in range(each)]
        mask = None
        if heads.weights is not None:
            held = [[kv < k and head < e for kv in range(kept) for head in range(each)] for k, e in heads.values]
            mask = heads.weights @ torch.tensor(held).repeat_interleave(size, 1).to(heads.weights)
        queries, keys = (
            Channels(joined((place * room, place * room + size) for place in taken), weights)
            for taken, weights in ((places, mask), (range(kept), None))
        )
        return {"embed_dim": embed, "queries": queries, "keys": keys}, counts

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> tuple[Tensor, None]:
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            raise UsageError(
                "MultiheadAttention attn_mask is boolean; give 0 where attention is allowed, -inf elsewhere."
            )
        state = self.state

        def project(name: str, x: Tensor) -> Tensor:
            x = state.widths["queries"].apply(x, -1) if name == "out" else x
            y = F.linear(x, cast(Tensor, self._used(f"{name}_weight", state)), self._used(f"{name}_bias", state))
            return state.widths["embed_dim"].apply(y, -1) if name == "out" else y

        inputs = (query, key, value)
        return _attend(project, inputs, (state.heads, state.kv_heads), self.batch_first, attn_mask, is_causal), None

    def plain(self, copy: Copy) -> nn.Module:
        return as_graph(_PlainAttention(self, copy).train(self.training))

    @property
    def _most_heads(self) -> tuple[int, int]:
        """How many keys the projections hold, and how many heads of each."""
        pairs = list(outcomes(self.arguments["num_kv_heads"], self.arguments["num_heads"]))
        return max(kept for kept, _ in pairs), max(heads // kept for kept, heads in pairs)

    def _heads(self, gates: Gates) -> Gate:
        """The gate of the number of keys, and of heads of each."""
        heads, kept = self.arguments["num_heads"], self.arguments["num_kv_heads"]
        if self.arguments["head_dim"] is None:
            for name in ("embed_dim", "num_heads", "num_kv_heads"):
                self._single(name, gates, " without head_dim")
        return push_forward(
            lambda values: (evaluate(kept, values), evaluate(heads, values) // evaluate(kept, values)),
            choices_of(heads, kept),
            gates,
        )

    def _single(self, name: str, gates: Gates, where: str = "") -> Any:
        return single_value(self.arguments[name], gates, f"MultiheadAttention {name}{where}")


class _PlainAttention(nn.Module):
    """The active attention made of plain linear layers; its heads together may be wider than the embedding."""

    def __init__(self, layer: MultiheadAttention, copy: Copy) -> None:
        super().__init__()
        self.heads, self.batch_first = (layer.state.heads, layer.state.kv_heads), layer.batch_first
        for name in (*_PROJECTIONS, "out"):
            self.add_module(name, _plain_linear(layer, name, copy))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> tuple[Tensor, None]:
        def project(name: str, x: Tensor) -> Tensor:
            y: Tensor = self.get_submodule(name)(x)
            return y

        return _attend(project, (query, key, value), self.heads, self.batch_first, attn_mask, is_causal), None


def _attend(
    project: Callable[[str, Tensor], Tensor],
    inputs: tuple[Tensor, Tensor, Tensor],
    heads: tuple[int, int],
    batch_first: bool,
    attn_mask: Tensor | None,
    is_causal: bool,
) -> Tensor:
    """Attention of so many heads to so many keys, with the named projections."""
    batches = inputs if batch_first else tuple(x.transpose(0, 1) for x in inputs)
    q, k, v = (
        _split_heads(project(name, x), count)
        for name, x, count in zip(_PROJECTIONS, batches, (*heads, heads[1]), strict=True)
    )
    if heads[0] != heads[1]:  # by enable_gqa it would be the same, which not every exporter knows
        k, v = (x.repeat_interleave(heads[0] // heads[1], 1) for x in (k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask, is_causal=is_causal)
    out = project("out", mixed.transpose(1, 2).flatten(2))
    return out if batch_first else out.transpose(0, 1)


def _split_heads(x: Tensor, heads: int) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def _plain_linear(layer: MultiheadAttention, name: str, copy: Copy) -> nn.Linear:
    weight = copy.tensor(layer, f"{name}_weight")
    rows, columns = weight.shape
    has_bias = layer.used("out_bias") is not None
    linear = uninitialised(
        nn.Linear, weight.device, in_features=columns, out_features=rows, bias=has_bias, dtype=weight.dtype
    )
    for each in ("weight", "bias") if has_bias else ("weight",):
        setattr(linear, each, copy.tensor(layer, f"{name}_{each}"))
    return linear
