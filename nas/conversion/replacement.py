"""Puts elastic modules in the place of plain ones, in a copy of the model."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

import nas.nn as elastic
from nas.conversion.cutting import layout_in, layouts_by_module
from nas.conversion.following.graph import Place
from nas.conversion.following.tracing import places_of, readers_of
from nas.conversion.layer_sizes import as_shape, layer_sizes
from nas.conversion.layouts import Layout
from nas.conversion.own_module import own_module
from nas.conversion.plan import Plan
from nas.conversion.stages import BlockList, StagedSequential
from nas.nn.tree import below
from nas.space import Expression

__all__ = ["make_elastic"]

_TWINS: dict[type[nn.Module], type[elastic.ElasticLayer]] = {
    nn.Conv1d: elastic.Conv1d,
    nn.Conv2d: elastic.Conv2d,
    nn.Conv3d: elastic.Conv3d,
    nn.ConvTranspose1d: elastic.ConvTranspose1d,
    nn.ConvTranspose2d: elastic.ConvTranspose2d,
    nn.Linear: elastic.Linear,
    nn.Embedding: elastic.Embedding,
    nn.BatchNorm1d: elastic.BatchNorm1d,
    nn.BatchNorm2d: elastic.BatchNorm2d,
    nn.BatchNorm3d: elastic.BatchNorm3d,
    nn.InstanceNorm1d: elastic.InstanceNorm1d,
    nn.InstanceNorm2d: elastic.InstanceNorm2d,
    nn.InstanceNorm3d: elastic.InstanceNorm3d,
    nn.GroupNorm: elastic.GroupNorm,
    nn.LayerNorm: elastic.LayerNorm,
    nn.RMSNorm: elastic.RMSNorm,
}
"""The elastic layer of each plain one; a module of any other class keeps its class and gets its parts."""

_SAME_WIDTHS = "_qkv_same_embed_dim"
"""What tells a ``torch.nn.TransformerEncoderLayer`` whether it may bypass its attention."""


def make_elastic(model: nn.Module, plan: Plan) -> nn.Module:
    """The model with elastic modules; the one that is given is used up.

    Weights are the same objects, and so are their names.
    """
    modules = dict(model.named_modules())
    sizes = _Sizes(model, plan)
    made: dict[int, nn.Module] = {}
    for path, module in modules.items():
        replacement = None if path in sizes.never_called else _replacement(path, module, plan, sizes)
        if replacement is not None:
            made[id(module)] = replacement
    for stage in plan.stages:
        container: Any = modules[stage.path]
        kind = StagedSequential if isinstance(container, nn.Sequential) else BlockList
        made[id(container)] = kind(container, stage.runs)
    for module in (*modules.values(), *made.values()):
        for name, child in module._modules.items():
            if child is not None:
                module._modules[name] = made.get(id(child), child)
    return made.get(id(model), model)


class _Sizes:
    """The sizes of tensors and attributes as expressions.

    Attributes:
        read: path of a module → the modules below it whose tensors its forward reads.
        never_called: those of them that are never called themselves.
    """

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        self._modules = dict(model.named_modules())
        self._layouts = layouts_by_module(model, plan.groups)
        self._widths = {number: (width.choice, each) for width in plan.widths for number, each in width.each.items()}
        called = {operation.path for operation in plan.graph.operations}
        self.read = self._read_from_above(model, plan)
        self.never_called = {path for paths in self.read.values() for path in paths} - called

    def parent(self, path: str) -> nn.Module:
        found: nn.Module = self._modules[path.rpartition(".")[0]]
        return found

    def expression(self, layout: Layout) -> Any:
        return layout.expression(self._widths)

    def tensors(self, path: str) -> dict[str, list[Any]]:
        """The size of each dimension of each tensor of a module of which one varies."""
        own = self._layouts.get(path, {})
        varying = {
            name: tensor for name, tensor in _tensors(self._modules[path]).items() if name in {n for n, _ in own}
        }
        return {
            name: [
                self.expression(own[name, dim]) if (name, dim) in own else size for dim, size in enumerate(tensor.shape)
            ]
            for name, tensor in varying.items()
        }

    def attributes(self, path: str) -> dict[str, Any]:
        """The attributes of a layer that are sizes."""
        layouts = layer_sizes(self._modules[path], partial(layout_in, self._layouts, path))
        return {name: self.expression(layout) for name, layout in layouts.items()}

    def _read_from_above(self, model: nn.Module, plan: Plan) -> dict[str, list[str]]:
        places, holders = places_of(model), dict[Place, list[str]]()
        for path, module in self._modules.items():
            for tensor in _tensors(module).values():
                holders.setdefault(places[id(tensor)], []).append(path)
        found: dict[str, dict[str, None]] = {}
        for place, readers in readers_of(plan.graph).items():
            for reader in readers:
                inside = [path for path in holders[place] if path.startswith(f"{reader}." if reader else "")]
                if reader not in holders[place] and inside[:1] and inside[0] in self._layouts:
                    found.setdefault(reader, {})[inside[0]] = None
        return {reader: list(paths) for reader, paths in found.items()}


def _replacement(path: str, module: nn.Module, plan: Plan, sizes: _Sizes) -> nn.Module | None:
    """The elastic module for one that follows choices."""
    followers = [each for each in plan.followers if each.path == path]
    read = sizes.read.get(path, [])
    if type(module) in _TWINS and not read and not followers:
        kernel = plan.kernels[path].arguments if path in plan.kernels else {}
        arguments = sizes.attributes(path) | kernel
        return _twin(module, arguments) if arguments else None
    tensors, attributes = sizes.tensors(path), _shaped(sizes.attributes(path))
    attributes |= {each.name: _in_shape(sizes.expression(each.layout), each.shape) for each in followers}
    for inner in read:
        name = inner[len(path) + 1 :] if path else inner
        tensors |= {below(name, own): dims for own, dims in sizes.tensors(inner).items()}
        attributes |= {below(name, own): size for own, size in _shaped(sizes.attributes(inner)).items()}
    read_only = [name for name, _ in module.named_children() if below(path, name) in sizes.never_called]
    if _may_be_bypassed(path, module, sizes):
        attributes[_SAME_WIDTHS] = vars(module)[_SAME_WIDTHS]
        bypassed: nn.Module = own_module(module, tensors, attributes, read_only)
        vars(bypassed)[_SAME_WIDTHS] = False
        return bypassed
    return own_module(module, tensors, attributes, read_only) if tensors or attributes else None


def _may_be_bypassed(path: str, module: nn.Module, sizes: "_Sizes") -> bool:
    """Whether a layer around it computes all by one function of torch, which reads the full weights.

    It does not where the attention says that its widths differ.
    """
    return isinstance(module, nn.MultiheadAttention) and isinstance(sizes.parent(path), nn.TransformerEncoderLayer)


def _twin(layer: Any, arguments: Mapping[str, Any]) -> nn.Module:
    """The elastic layer of a plain one, with its weights and all that is attached to it."""
    kind = _TWINS[type(layer)]
    given: dict[str, Any] = {"device": "meta"}
    for name in kind._signature().parameters:
        if name in arguments:
            given[name] = arguments[name]
        elif name not in ("device", "dtype"):
            given[name] = getattr(layer, name) is not None if name == "bias" else getattr(layer, name)
    twin = kind(**given)
    for name, value in vars(layer).items():
        if name not in vars(twin) or name in ("_parameters", "_buffers", "training") or "hooks" in name:
            vars(twin)[name] = value
    return twin


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    held = {**module._parameters, **module._buffers}
    return {name: tensor for name, tensor in held.items() if tensor is not None}


def _shaped(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _in_shape(size, tuple if name in as_shape else None) for name, size in attributes.items()}


def _in_shape(size: Any, shape: type | None) -> Any:
    """The size, or the tuple or list of it alone."""
    return size.map(partial(_one, shape)) if shape is not None and isinstance(size, Expression) else size


def _one(shape: type, size: int) -> Any:
    return shape((size,))
