"""Puts elastic modules in the place of plain ones, in a copy of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

import nas.nn as elastic
from nas.conversion.choices import Kernel, Width
from nas.conversion.cutting import Follower, layouts_by_module
from nas.conversion.depth import Stage
from nas.conversion.graph import Graph
from nas.conversion.groups import Groups
from nas.conversion.layer_sizes import as_shape, layer_sizes
from nas.conversion.layouts import Layout
from nas.conversion.tracing import places_of, readers_of
from nas.nn.own_module import own_module
from nas.nn.stages import BlockList, StagedSequential
from nas.space import Expression

__all__ = ["Plan", "make_elastic"]

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


@dataclass(frozen=True)
class Plan:
    """All that varies in a model.

    Attributes:
        graph, groups: of the model.
        followers: attributes that are sizes.
        widths, kernels, stages: the choices; kernels by the path of the convolution.
    """

    graph: Graph
    groups: Groups
    followers: Sequence[Follower]
    widths: Sequence[Width]
    kernels: Mapping[str, Kernel]
    stages: Sequence[Stage]


def make_elastic(model: nn.Module, plan: Plan) -> nn.Module:
    """The model with elastic modules; the one that is given is used up.

    Weights are the same objects, and so are their names.
    """
    layouts = layouts_by_module(model, plan.groups)
    modules = dict(model.named_modules())
    sizes = {number: (width.choice, each) for width in plan.widths for number, each in width.each.items()}
    made: dict[int, nn.Module] = {}
    read = _read_by_others(model, plan.graph, layouts)
    for path, module in modules.items():
        tensors = {name: _expressions(tensor, name, layouts.get(path, {}), sizes) for name, tensor in _own(module).items()}
        tensors = {name: dims for name, dims in tensors.items() if dims is not None}
        follows = {name: each.expression(sizes) for name, each in layer_sizes(module, _find(layouts, path)).items()}
        attributes = {name: _attribute(size, name in as_shape) for name, size in follows.items()}
        attributes |= {
            each.name: _attribute(each.layout.expression(sizes), each.shape is not None)
            for each in plan.followers
            if each.path == path
        }
        if path in {inner for inners in read.values() for inner in inners} and not _runs_itself(plan.graph, path):
            continue
        inner = read.get(path, [])
        for other in inner:
            relative = other[len(path) + 1 :] if path else other
            for name, tensor in _own(modules[other]).items():
                dims = _expressions(tensor, name, layouts.get(other, {}), sizes)
                if dims is not None:
                    tensors[f"{relative}.{name}"] = dims
            for name, layout in layer_sizes(modules[other], _find(layouts, other)).items():
                attributes[f"{relative}.{name}"] = _attribute(layout.expression(sizes), name in as_shape)
        followed = any(each.path == path for each in plan.followers)
        if type(module) in _TWINS and not inner and not followed:
            arguments = follows | (plan.kernels[path].arguments if path in plan.kernels else {})
            if arguments:
                made[id(module)] = _twin(module, arguments)
        elif tensors or attributes:
            never_run = [name for name in inner if not _runs_itself(plan.graph, name)]
            only = [name[len(path) + 1 :] if path else name for name in never_run]
            made[id(module)] = own_module(module, tensors, attributes, [name for name in only if "." not in name])
    for stage in plan.stages:
        module = modules[stage.path]
        made[id(module)] = (StagedSequential if isinstance(module, nn.Sequential) else BlockList)(module, stage.runs)  # type: ignore[arg-type]
    for module in (*modules.values(), *made.values()):
        for name, child in module._modules.items():
            if child is not None:
                module._modules[name] = made.get(id(child), child)
    return made.get(id(model), model)


def _own(module: nn.Module) -> dict[str, Tensor]:
    held = {**module._parameters, **module._buffers}
    return {name: tensor for name, tensor in held.items() if tensor is not None}


def _expressions(
    tensor: Tensor, name: str, layouts: Mapping[tuple[str, int], Layout], sizes: Mapping[int, tuple[Any, int]]
) -> list[Any] | None:
    """The size of each dimension of a tensor of which one varies."""
    if not any(each == name for each, _ in layouts):
        return None
    return [
        layouts[name, dim].expression(sizes) if (name, dim) in layouts else size for dim, size in enumerate(tensor.shape)
    ]


def _attribute(value: Any, is_shape: bool) -> Any:
    return value.map(_in_tuple) if is_shape and isinstance(value, Expression) else value


def _in_tuple(size: int) -> tuple[int]:
    return (size,)


def _find(layouts: Mapping[str, Mapping[tuple[str, int], Layout]], path: str) -> Any:
    def find(name: str, dim: int) -> Layout | None:
        inside, _, own = name.rpartition(".")
        at = ".".join(filter(None, (path, inside)))
        return layouts.get(at, {}).get((own, dim))

    return find


def _read_by_others(
    model: nn.Module, graph: Graph, layouts: Mapping[str, Mapping[tuple[str, int], Layout]]
) -> dict[str, list[str]]:
    """Path of a module → those below it whose tensors with channels its forward reads."""
    holders: dict[Any, list[str]] = {}
    first = places_of(model)
    for path, module in model.named_modules():
        for tensor in _own(module).values():
            holders.setdefault(first[id(tensor)], []).append(path)
    found: dict[str, dict[str, None]] = {}
    for place, readers in readers_of(graph).items():
        for reader in readers:
            if reader not in holders[place]:
                below = [path for path in holders[place] if path.startswith(f"{reader}." if reader else "")]
                found.setdefault(reader, {}).update({path: None for path in below[:1] if path in layouts})
    return {reader: list(paths) for reader, paths in found.items()}


def _runs_itself(graph: Graph, path: str) -> bool:
    return any(operation.path == path for operation in graph.operations)


def _twin(layer: Any, arguments: Mapping[str, Any]) -> nn.Module:
    """The elastic layer of a plain one, with its weights and all that is attached to it."""
    kind = _TWINS[type(layer)]
    given: dict[str, Any] = {}
    for name in kind._signature().parameters:
        if name in arguments:
            given[name] = arguments[name]
        elif name == "device":
            given[name] = "meta"
        elif name != "dtype":
            given[name] = getattr(layer, name) is not None if name == "bias" else getattr(layer, name)
    twin = kind(**given)
    for name, value in vars(layer).items():
        if name not in vars(twin) or name in ("_parameters", "_buffers", "training") or "hooks" in name:
            vars(twin)[name] = value
    return twin
