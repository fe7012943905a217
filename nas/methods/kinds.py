"""What the choices of a supernet are to the layers that read them."""

from collections.abc import Iterator
from typing import Any, Literal

from torch import nn

from nas.errors import UsageError
from nas.nn import Cell, Elastic, ElasticLayer, Linear, OneOf, Repeat
from nas.space import choices_of
from nas.supernet import Supernet

__all__ = ["Kind", "check_nested", "feed_forward_sizes", "kinds_of"]

Kind = Literal["kernel", "depth", "width", "operation", "other"]

_KINDS: tuple[Kind, ...] = ("operation", "width", "depth", "kernel")
"""A choice that is several of them is the first."""

_HEADS = ("num_heads", "num_kv_heads", "head_dim")


def kinds_of(supernet: Supernet) -> dict[str, Kind]:
    """The kind of each choice: the size of a kernel, a number of blocks, of channels, features or heads; an operation
    where it is between modules or edges; other where it is none of them, such as a stride or the size of images."""
    found: dict[str, set[Kind]] = {name: set() for name in supernet.space.choices}
    for module, argument, name in _reads(supernet):
        found[name].add(_kind(module, argument))
    return {name: next((kind for kind in _KINDS if kind in kinds), "other") for name, kinds in found.items()}


def feed_forward_sizes(supernet: Supernet) -> list[str]:
    """The choices of hidden widths: those that nothing but linear layers reads, one's outputs and another's inputs."""
    readers: dict[str, list[nn.Module]] = {}
    sides: dict[str, set[str]] = {}
    for module, argument, name in _reads(supernet):
        readers.setdefault(name, []).append(module)
        sides.setdefault(name, set()).add(argument)
    linear = [name for name, modules in readers.items() if all(isinstance(each, Linear) for each in modules)]
    return [name for name in linear if sides[name] >= {"in_features", "out_features"}]


def check_nested(supernet: Supernet, method: str) -> None:
    """Refuses a choice none of whose candidates is a part of another.

    Raises:
        UsageError: there is one.
    """
    apart = next((name for name, kind in kinds_of(supernet).items() if kind == "operation"), None)
    if apart is not None:
        raise UsageError(
            f"{method} needs nested sizes, but choice '{apart}' is between modules, none of which is a part of "
            "another; use another method."
        )


def _reads(supernet: Supernet) -> Iterator[tuple[nn.Module, str, str]]:
    """Module, argument and the name of a choice on which that depends."""
    for module in supernet.model.modules():
        arguments: dict[str, Any] = dict(module.arguments) if isinstance(module, Elastic) else {}
        for argument, value in arguments.items():
            for choice in choices_of(value):
                yield module, argument, supernet.name_of(choice)


def _kind(module: nn.Module, argument: str) -> Kind:
    if isinstance(module, OneOf | Cell):
        return "operation"
    if isinstance(module, Repeat):
        return "depth"
    if argument == "kernel_size":
        return "kernel"
    sized = module.axes.values() if isinstance(module, ElasticLayer) else ()
    followed = {axis.follows.partition(".")[0] for axes in sized for axis in axes if axis is not None}
    return "width" if argument in followed or argument in _HEADS else "other"
