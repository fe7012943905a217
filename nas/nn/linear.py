"""Elastic linear layer and embedding."""

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.bias import Bias, bias_of, may_be_there
from nas.nn.channels import Channels, channels
from nas.nn.elastic import ElasticLayer, State, uninitialised
from nas.nn.fixed import require_fixed
from nas.nn.gate import Gates
from nas.space import choices_of, largest, outcomes

__all__ = ["Embedding", "Linear"]


@dataclass(frozen=True)
class _LinearState(State):
    inputs: Channels
    outputs: Channels
    bias: Bias


@dataclass(frozen=True)
class _EmbeddingState(State):
    rows: Channels
    outputs: Channels


class Linear(nn.Linear, ElasticLayer[_LinearState]):
    """``torch.nn.Linear`` whose widths and bias may be choices; smaller widths are the leading features.

    Shapes: ``[..., in_features]`` → ``[..., out_features]``.

    Raises:
        UsageError: another argument is a choice.
    """

    def __init__(
        self, in_features: Any, out_features: Any, bias: Any = True, device: Any = None, dtype: Any = None
    ) -> None:
        require_fixed("Linear", device=device, dtype=dtype)
        nn.Linear.__init__(self, largest(in_features), largest(out_features), may_be_there(bias), device, dtype)
        self.arguments = {"in_features": in_features, "out_features": out_features, "bias": bias}

    def resolve(self, gates: Gates) -> _LinearState:
        inputs = channels(self.arguments["in_features"], gates)
        outputs = channels(self.arguments["out_features"], gates)
        bias = bias_of(self.arguments["bias"], outputs.ranges, gates)
        regions = {"weight": (outputs.ranges, inputs.ranges), "bias": (bias.ranges,)}
        return _LinearState(regions, inputs, outputs, bias)

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_elastic:
            return super().forward(x)
        bias = self.state.bias.apply(self.part("bias")) if self.state.bias.is_there else None
        return self.state.outputs.apply(F.linear(x, self.part("weight"), bias), -1)

    def twin(self) -> nn.Module:
        state = self.state
        return uninitialised(
            nn.Linear,
            state.inputs.count,
            state.outputs.count,
            bias=state.bias.is_there,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )


class Embedding(nn.Embedding, ElasticLayer[_EmbeddingState]):
    """``torch.nn.Embedding`` whose sizes may be choices; smaller ones are the leading rows and features.

    Tokens must be below the least number of rows, or whoever makes them must heed the choice too.

    Shapes: ``[...]`` integers → ``[..., embedding_dim]``.

    Raises:
        UsageError: another argument is a choice, an elastic embedding has ``max_norm``, or ``padding_idx`` is not a row
            of all candidates.
    """

    def __init__(
        self,
        num_embeddings: Any,
        embedding_dim: Any,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        require_fixed(
            "Embedding",
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            device=device,
            dtype=dtype,
        )
        if choices_of(num_embeddings, embedding_dim) and max_norm is not None:
            raise UsageError(
                "Embedding cannot have max_norm when a size is a choice: it would renormalise rows that other "
                "architectures read."
            )
        rows = [count for (count,) in outcomes(num_embeddings)]
        if padding_idx is not None and choices_of(num_embeddings) and not 0 <= padding_idx < min(rows):
            raise UsageError(
                f"Embedding padding_idx={padding_idx} is no row when num_embeddings={min(rows)}; take one from 0 that "
                "every candidate has."
            )
        nn.Embedding.__init__(
            self,
            max(rows),
            largest(embedding_dim),
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            device=device,
            dtype=dtype,
        )
        self.arguments = {"num_embeddings": num_embeddings, "embedding_dim": embedding_dim}

    def resolve(self, gates: Gates) -> _EmbeddingState:
        rows, outputs = (channels(self.arguments[name], gates) for name in ("num_embeddings", "embedding_dim"))
        return _EmbeddingState({"weight": (rows.ranges, outputs.ranges)}, rows, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        if not self.is_elastic:
            return super().forward(tokens)
        weight = self.state.rows.apply(self.part("weight"), 0)
        x = F.embedding(
            tokens, weight, self.padding_idx, scale_grad_by_freq=self.scale_grad_by_freq, sparse=self.sparse
        )
        return self.state.outputs.apply(x, -1)

    def twin(self) -> nn.Module:
        return uninitialised(
            nn.Embedding,
            self.state.rows.count,
            self.state.outputs.count,
            padding_idx=self.padding_idx,
            max_norm=self.max_norm,
            norm_type=self.norm_type,
            scale_grad_by_freq=self.scale_grad_by_freq,
            sparse=self.sparse,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )
