"""Elastic linear layer and embedding."""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.elastic_layer import Axes, Axis, ElasticLayer
from nas.space import choices_of, outcomes

__all__ = ["Embedding", "Linear"]


class Linear(ElasticLayer, nn.Linear):
    """``torch.nn.Linear`` whose widths and bias may be choices; smaller widths are the leading features.

    Shapes: ``[..., in_features]`` → ``[..., out_features]``.

    Raises:
        UsageError: another argument is a choice.
    """

    axes = Axes(weight=("out_features", "in_features"), bias=("out_features",))
    elastic = ("in_features", "out_features", "bias")
    output = ("out_features", -1)

    def functional(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)


class Embedding(ElasticLayer, nn.Embedding):
    """``torch.nn.Embedding`` whose sizes may be choices; smaller ones are the leading rows and features.

    Tokens must be below the least number of rows, or whoever makes them must heed the choice too.

    Shapes: ``[...]`` integers → ``[..., embedding_dim]``.

    Raises:
        UsageError: another argument is a choice, an elastic embedding has ``max_norm``, or ``padding_idx`` is not a row
            of all candidates.
    """

    axes = Axes(weight=(Axis("num_embeddings", weighed=True), "embedding_dim"))
    elastic = ("num_embeddings", "embedding_dim")
    output = ("embedding_dim", -1)

    def widest(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if choices_of(given["num_embeddings"], given["embedding_dim"]) and given["max_norm"] is not None:
            raise UsageError(
                "Embedding cannot have max_norm when a size is a choice: it would renormalise rows that other "
                "architectures read."
            )
        least, padding = min(outcomes(given["num_embeddings"]))[0], given["padding_idx"]
        if padding is not None and choices_of(given["num_embeddings"]) and not 0 <= padding < least:
            raise UsageError(
                f"Embedding padding_idx={padding} is no row when num_embeddings={least}; take one from 0 that every "
                "candidate has."
            )
        return super().widest(given)

    def functional(self, tokens: Tensor, weight: Tensor) -> Tensor:
        return F.embedding(
            tokens, weight, self.padding_idx, scale_grad_by_freq=self.scale_grad_by_freq, sparse=self.sparse
        )
