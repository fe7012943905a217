"""A narrower network by cutting the tensors of a plain copy, run beside what was followed.

Every operation must give a tensor of the size that its channels say. Where one does not, a size is baked into the code.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nas.conversion.following.calls import tensors_in
from nas.conversion.following.graph import Graph, Place
from nas.conversion.following.labels import Labels
from nas.conversion.following.tracing import Modules, name_of, places_of
from nas.conversion.groups import Groups
from nas.conversion.layer_sizes import as_shape, layer_sizes
from nas.conversion.layouts import Layout

__all__ = ["Example", "Failure", "Follower", "cut", "first_failure", "layout_in", "layouts_by_module"]

Example = tuple[Sequence[Any], Mapping[str, Any]]
"""Arguments of a forward, by position and by name."""

Layouts = Mapping[str, Mapping[tuple[str, int], Layout]]
"""Path of a module → the layouts of dimensions of its tensors."""

Kept = Mapping[int, int]
"""How many units of a group are kept; all of one that is not named."""


@dataclass(frozen=True)
class Follower:
    """An attribute of a module that is a size.

    Attributes:
        path: of the module.
        name: of the attribute.
        layout: what it follows.
        shape: whether it is a tuple or list of that size alone.
    """

    path: str
    name: str
    layout: Layout
    shape: type | None = None

    def value(self, size: int) -> Any:
        return size if self.shape is None else self.shape([size])


@dataclass(frozen=True)
class Failure:
    """The first operation that does not give what its channels say.

    Attributes:
        operation: its number.
        path: of the module.
        reason: in words.
    """

    operation: int
    path: str
    reason: str


def layouts_by_module(model: nn.Module, groups: Groups) -> dict[str, dict[tuple[str, int], Layout]]:
    """Path of each module → the layouts of the dimensions of its own tensors; of a tied one at each of its places."""
    places = places_of(model)
    by_place: dict[Place, dict[int, Layout]] = {}
    for (place, dim), layout in groups.layouts.items():
        if layout.groups:
            by_place.setdefault(place, {})[dim] = layout
    found: dict[str, dict[tuple[str, int], Layout]] = {}
    for path, module in model.named_modules():
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            for dim, layout in by_place.get(places[id(tensor)], {}).items() if tensor is not None else ():
                found.setdefault(path, {})[name, dim] = layout
    return found


@contextmanager
def cut(model: nn.Module, groups: Groups, followers: Sequence[Follower], kept: Kept) -> Iterator[None]:
    """Within it the model, in which no module is elastic, has these units alone."""
    modules, layouts = dict(model.named_modules()), layouts_by_module(model, groups)
    tensors: dict[int, Tensor] = {}
    changed: list[tuple[Any, str, Any]] = []

    def write(held: Any, name: str, value: Any) -> None:
        changed.append((held, name, held[name]))
        held[name] = value

    sizes = {path: layer_sizes(module, partial(layout_in, layouts, path)) for path, module in modules.items()}
    try:
        for path, module in modules.items():
            own = layouts.get(path, {})
            for held in (module._parameters, module._buffers):
                for name, tensor in list(held.items()):
                    dims = {dim: layout for (each, dim), layout in own.items() if each == name}
                    if tensor is not None and dims:
                        if id(tensor) not in tensors:
                            tensors[id(tensor)] = _sliced(tensor, dims, kept)
                        write(held, name, tensors[id(tensor)])
            for name, layout in sizes[path].items():
                size = layout.count(kept)
                write(vars(module), name, (size,) if name in as_shape else size)
        for follower in followers:
            write(vars(modules[follower.path]), follower.name, follower.value(follower.layout.count(kept)))
        yield
    finally:
        for held, name, value in reversed(changed):
            held[name] = value


def layout_in(layouts: Layouts, path: str, name: str, dim: int) -> Layout | None:
    """The layout of a dimension of a tensor of a module, or as in ``"out_proj.weight"`` of a child of it."""
    inside, _, own = name.rpartition(".")
    return layouts.get(".".join(filter(None, (path, inside))), {}).get((own, dim))


def _sliced(tensor: Tensor, dims: Mapping[int, Layout], kept: Kept) -> Tensor:
    value = tensor.detach()
    for dim, layout in dims.items():
        if len(layout.parts) == 1:
            value = value.narrow(dim, 0, layout.count(kept))
        else:
            value = value.index_select(dim, torch.tensor(layout.positions(kept), device=value.device))
    return nn.Parameter(value, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else value


class _Mismatch(Exception):  # noqa: N818
    """An operation of another size or kind than was followed."""


class _Compare(TorchFunctionMode):
    """Compares every operation with the one of the same number in the graph."""

    def __init__(self, graph: Graph, present: npt.NDArray[np.bool_], modules: Modules) -> None:
        super().__init__()
        self.number = -1
        self._graph, self._present, self._modules = graph, present, modules

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        same = name_of(func) == "batch_norm" and args and args[0].is_meta  # there it takes longest of all, for nothing
        given = torch.empty_like(args[0]) if same else func(*args, **(kwargs or {}))
        name, outputs = name_of(func), tensors_in(given)
        if not outputs or name == "setitem":
            return given
        self.number += 1
        if self.number >= len(self._graph.operations):
            raise _Mismatch("it runs more operations when it is narrower")
        known = self._graph.operations[self.number]
        if (name, self._modules.path, len(outputs)) != (known.name, known.path, len(known.outputs)):
            raise _Mismatch(f"it runs {name}() in place of {known.name}() when it is narrower")
        for tensor, labels in zip(outputs, known.outputs, strict=True):
            expected = self._size(labels) if labels.carries else tuple(tensor.shape)
            if tuple(tensor.shape) != expected:
                raise _Mismatch(f"{name}() gives {list(tensor.shape)}, not {list(expected)}, when it is narrower")
        return given

    def _size(self, labels: Labels) -> tuple[int, ...]:
        ids = labels.ids.numpy()
        there = (ids < 0) | self._present[np.maximum(ids, 0)]
        found = []
        for dim, size in enumerate(labels.shape):
            others = tuple(each for each in range(there.ndim) if each != dim)
            found.append(size if ids.shape[dim] == 1 else int(there.any(axis=others).sum()))
        return tuple(found)


def first_failure(
    model: nn.Module, graph: Graph, groups: Groups, followers: Sequence[Follower], kept: Kept, example: Example
) -> Failure | None:
    """Where the narrower network does not do what was followed; None if nowhere."""
    limits = np.array([kept.get(group.number, group.units) for group in groups.all] + [0])
    present = (groups.of_channel < 0) | (groups.unit_of < limits[groups.of_channel])
    modules = Modules(model)
    compare = _Compare(graph, present, modules)
    with cut(model, groups, followers, kept), torch.no_grad(), modules.watched():
        try:
            with compare:
                model(*example[0], **example[1])
            if compare.number + 1 < len(graph.operations):
                raise _Mismatch("it runs fewer operations when it is narrower")
        except _Mismatch as error:
            return Failure(
                compare.number, graph.operations[min(compare.number, len(graph.operations) - 1)].path, str(error)
            )
        except Exception as error:  # whatever a forward raises that gets a tensor of another size
            number = min(compare.number + 1, len(graph.operations) - 1)
            reason = (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
            return Failure(
                number, modules.path, f"{graph.operations[number].name}() fails when it is narrower ({reason})"
            )
    return None
