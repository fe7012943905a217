"""Modules of any class whose parameters and sizes follow choices: the forward of that class runs on the part in use."""

import copy as copying
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

from torch import Tensor, nn

from nas.nn.channel_ranges import NOTHING, Channels, channels, write
from nas.nn.elastic import Copy
from nas.nn.elastic_layer import Axes, ElasticLayer
from nas.nn.gate import Gates, single_value
from nas.nn.tree import children

__all__ = ["OwnModule", "own_module"]

_HOOKS = [
    name for name in vars(nn.Module()) if "hooks" in name and not name.endswith(("_with_kwargs", "_always_called"))
]
_ELASTIC = (
    "arguments",
    "axes",
    "read_only",
    "is_elastic",
    "_key",
    "_state",
    "_states",
    "_choices",
    "_sizes",
    "_settings",
)
"""Attributes that the class of a module does not know."""


class OwnModule(ElasticLayer):
    """What :func:`own_module` makes; a subclass of the module's class is made for each.

    A pass runs the forward of that class on a clone that has the parts in use and the sizes of the architecture, and
    shares everything else. What a forward writes into attributes is lost with the clone; what it writes into tensors
    stays.

    Attributes:
        read_only: names of children whose tensors the forward reads without ever calling them.
    """

    read_only: tuple[str, ...]

    def __init__(self, *args: Any, **named: Any) -> None:
        raise TypeError("an OwnModule is made by own_module()")

    def __getattr__(self, name: str) -> Any:
        if "." in name:
            owner, _, own = name.rpartition(".")
            return getattr(self.get_submodule(owner), own)
        return cast(Any, super()).__getattr__(name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _blank, (self.extended(),), dict(vars(self))

    def follow(self, gates: Gates) -> tuple[dict[str, Channels], dict[str, Any]]:
        kind = self.extended().__name__
        values = {name: single_value(size, gates, f"{kind} {name}") for name, size in self.arguments.items()}
        sized = {axis.follows for axes in self.axes.values() for axis in axes if axis is not None}
        attributes = {name: value for name, value in values.items() if name not in sized}
        return {name: channels(self.arguments[name], gates) for name in sized}, {"attributes": attributes}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        state = self.state
        parts = {name: self._used(name, state) for name in state.cuts}
        clone = self._clone(parts.__getitem__, lambda child: child)
        given = clone(*inputs, **named)
        if self.training:
            for name, part in parts.items():
                copied = part is not None and any(len(ranges) > 1 for ranges in state.regions[name])
                if copied and not isinstance(getattr(self, name), nn.Parameter):
                    write(getattr(self, name), state.regions[name], cast(Tensor, part))
        return given

    def plain(self, copy: Copy) -> nn.Module:
        clone = self._clone(lambda name: copy.tensor(self, name), copy)
        for name, value in list(vars(clone).items()):
            if name not in ("_modules", "_parameters", "_buffers"):
                vars(clone)[name] = copying.deepcopy(value, copy.memo)
        for held in (clone._parameters, clone._buffers):
            for name, tensor in held.items():
                if name not in self.axes:
                    held[name] = copying.deepcopy(tensor, copy.memo)  # type: ignore[assignment]
        return clone

    def parameter_names(self) -> dict[str, list[tuple[nn.Module, str]]]:
        inner = [(name, *name.rpartition(".")[::2]) for name in self.axes if "." in name]
        read = {name: [(self.get_submodule(owner), own)] for name, owner, own in inner}
        return {
            **super().parameter_names(),
            **{name: held for name, held in read.items() if NOTHING not in self.region(name)},
        }

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        return ((name, child) for name, child in super().running() if name not in self.read_only)

    def _clone(self, part: Callable[[str], Tensor | None], child: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """A module of the class that was there before, with these parts and children."""
        clone = _shell(self.extended(), {name: value for name, value in vars(self).items() if name not in _ELASTIC})
        inside = dict.fromkeys(name.rpartition(".")[0] for name in (*self.axes, *self.state.attributes) if "." in name)
        for name, module in children(self):
            clone._modules[name] = child(module)
        for path in inside:
            owner, _, own = path.rpartition(".")
            holder, module = clone.get_submodule(owner), clone.get_submodule(path)
            holder._modules[own] = _shell(type(module), vars(module), keep_hooks=True)
            holder._modules[own]._modules.update(module._modules)  # type: ignore[union-attr]
        for name in self.axes:
            owner, _, own = name.rpartition(".")
            module = clone.get_submodule(owner)
            held: dict[str, Any] = module._parameters if own in module._parameters else module._buffers
            held[own] = part(name)
        for name, value in self.state.attributes.items():
            owner, _, own = name.rpartition(".")
            vars(clone.get_submodule(owner))[own] = value
        return clone


def own_module(
    module: nn.Module,
    tensors: Mapping[str, Sequence[Any]],
    attributes: Mapping[str, Any],
    read_only: Sequence[str] = (),
) -> OwnModule:
    """A module like another one, whose tensors and sizes follow choices.

    Args:
        module: of any class; the new one takes over all that it holds.
        tensors: name of a parameter or buffer → the size of each of its dimensions, a number or an expression; those
            of a child are named as in ``"qkv.weight"``.
        attributes: name → the value, a number, a tuple or an expression; those of a child likewise.
        read_only: names of children that are never called.
    """
    made = _blank(type(module))
    vars(made).update(vars(module))
    sizes = {f"{name}[{dim}]": size for name, dims in tensors.items() for dim, size in enumerate(dims)}
    table = {name: tuple(f"{name}[{dim}]" for dim in range(len(dims))) for name, dims in tensors.items()}
    vars(made).update(arguments={**sizes, **attributes}, axes=Axes(table), read_only=tuple(read_only))
    return made


@cache
def _subclass(kind: type[nn.Module]) -> type[OwnModule]:
    return type(kind.__name__, (OwnModule, kind), {"__doc__": kind.__doc__, "__module__": __name__})


def _blank(kind: type[nn.Module]) -> OwnModule:
    made = _subclass(kind)  # type: ignore[arg-type]
    return made.__new__(made)


def _shell(kind: type[nn.Module], attributes: Mapping[str, Any], keep_hooks: bool = False) -> nn.Module:
    """A module with these attributes, whose tensors can be replaced without changing those of another."""
    made = kind.__new__(kind)
    vars(made).update(attributes)
    vars(made).update(_parameters=dict(attributes["_parameters"]), _buffers=dict(attributes["_buffers"]), _modules={})
    if not keep_hooks:
        vars(made).update({name: OrderedDict() for name in _HOOKS})
    return made
