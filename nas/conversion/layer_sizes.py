"""The attributes of plain layers that follow the sizes of their tensors."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from nas.conversion.layouts import Layout

__all__ = ["LayoutsOf", "as_shape", "layer_sizes"]

LayoutsOf = Callable[[str, int], Layout | None]
"""The layout of a dimension of a tensor of a module; None where it has no channels."""

as_shape = ("normalized_shape",)
"""Attributes that are tuples of one size."""


def layer_sizes(module: nn.Module, layout: LayoutsOf) -> dict[str, Layout]:
    """The layout of each attribute that is a size and follows channels."""
    found: dict[str, Layout | None] = {}
    match module:
        case _ConvNd():
            found = _of_convolution(module, layout)
        case nn.Linear():
            found = {"in_features": layout("weight", 1), "out_features": layout("weight", 0)}
        case nn.Embedding():
            found = {"num_embeddings": layout("weight", 0), "embedding_dim": layout("weight", 1)}
        case nn.LayerNorm() | nn.RMSNorm():
            found = {"normalized_shape": layout("weight", 0)}
        case nn.GroupNorm():
            width = layout("weight", 0)
            found = {"num_channels": width}
            if width is not None and module.num_groups > 1:
                found["num_groups"] = width.scaled(1, module.num_channels // module.num_groups)
        case _NormBase():
            found = {"num_features": layout("running_mean", 0) or layout("weight", 0)}
        case nn.MultiheadAttention():
            heads, width = layout("out_proj.weight", 1), layout("out_proj.weight", 0)
            found = dict.fromkeys(("embed_dim", "kdim", "vdim"), width)
            if heads is not None:
                found["num_heads"] = heads.scaled(1, module.head_dim)
    return {name: each for name, each in found.items() if each is not None}


def _of_convolution(module: Any, layout: LayoutsOf) -> dict[str, Layout | None]:
    rows, columns = layout("weight", 0), layout("weight", 1)
    transposed = isinstance(module, _ConvTransposeNd)
    inputs, outputs = (rows, columns) if transposed else (columns, rows)
    if module.groups == 1:
        return {"in_channels": inputs, "out_channels": outputs}
    if rows is None:
        return {}
    of_group = module.weight.shape[0] // module.groups
    groups = rows.scaled(1, of_group)
    other = None if groups is None else groups.scaled(module.weight.shape[1], 1)
    inputs, outputs = (rows, other) if transposed else (other, rows)
    return {"in_channels": inputs, "out_channels": outputs, "groups": groups}
