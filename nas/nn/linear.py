"""Elastic linear layer and embedding."""

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.channels import Channels, channels
from nas.nn.elastic import ElasticLayer, State, uninitialised
from nas.nn.gate import Gates
from nas.space import choices_of, largest

__all__ = ["Embedding", "Linear"]


@dataclass(frozen=True)
class _LinearState(State):
    inputs: Channels
    outputs: Channels


@dataclass(frozen=True)
class _EmbeddingState(State):
    outputs: Channels


class Linear(nn.Linear, ElasticLayer[_LinearState]):
    """``torch.nn.Linear`` whose widths may be choices; smaller widths are the leading features.

    Shapes: ``[..., in_features]`` → ``[..., out_features]``.
    """

    def __init__(
        self, in_features: Any, out_features: Any, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        nn.Linear.__init__(self, largest(in_features), largest(out_features), bias, device, dtype)
        self.arguments = {"in_features": in_features, "out_features": out_features}

    def resolve(self, gates: Gates) -> _LinearState:
        inputs = channels(self.arguments["in_features"], gates)
        outputs = channels(self.arguments["out_features"], gates)
        regions = {"weight": (outputs.ranges, inputs.ranges), "bias": (outputs.ranges,)}
        return _LinearState(regions, inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_elastic:
            return super().forward(x)
        bias = None if self.bias is None else self.part("bias")
        return self.state.outputs.apply(F.linear(x, self.part("weight"), bias), -1)

    def twin(self) -> nn.Module:
        state = self.state
        return uninitialised(
            nn.Linear,
            state.inputs.count,
            state.outputs.count,
            bias=self.bias is not None,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )


class Embedding(nn.Embedding, ElasticLayer[_EmbeddingState]):
    """``torch.nn.Embedding`` whose ``embedding_dim`` may be a choice; smaller sizes are the leading features.

    Shapes: ``[...]`` integers → ``[..., embedding_dim]``.

    Raises:
        UsageError: ``num_embeddings`` is a choice, or an elastic embedding has ``max_norm``.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: Any,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if choices_of(num_embeddings):
            raise UsageError("Embedding num_embeddings cannot be a choice; every token needs a row.")
        if choices_of(embedding_dim) and max_norm is not None:
            raise UsageError(
                "Embedding cannot have max_norm when embedding_dim is a choice: it would renormalise "
                "rows that other architectures read."
            )
        nn.Embedding.__init__(
            self,
            num_embeddings,
            largest(embedding_dim),
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            device=device,
            dtype=dtype,
        )
        self.arguments = {"embedding_dim": embedding_dim}

    def resolve(self, gates: Gates) -> _EmbeddingState:
        outputs = channels(self.arguments["embedding_dim"], gates)
        return _EmbeddingState({"weight": (((0, self.num_embeddings),), outputs.ranges)}, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        if not self.is_elastic:
            return super().forward(tokens)
        weight = self.part("weight")
        x = F.embedding(
            tokens, weight, self.padding_idx, scale_grad_by_freq=self.scale_grad_by_freq, sparse=self.sparse
        )
        return self.state.outputs.apply(x, -1)

    def twin(self) -> nn.Module:
        return uninitialised(
            nn.Embedding,
            self.num_embeddings,
            self.state.outputs.count,
            padding_idx=self.padding_idx,
            max_norm=self.max_norm,
            norm_type=self.norm_type,
            scale_grad_by_freq=self.scale_grad_by_freq,
            sparse=self.sparse,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )
