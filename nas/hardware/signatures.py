"""What tells plain modules apart that do different work, whatever their weights are."""

import itertools
from collections.abc import Iterator, Sequence
from types import BuiltinFunctionType, FunctionType
from typing import Any

from torch import Tensor, nn

from nas.nn.tree import modules

__all__ = ["shapes", "signature"]


def signature(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Any, ...]:
    """Equal for modules that do the same work on inputs of the same shapes."""
    entries = (entry for name, each in modules(module) for entry in _settings(name, each))
    return (shapes(inputs), *entries)


def shapes(inputs: Sequence[Tensor]) -> tuple[Any, ...]:
    """Shape and type of each."""
    return tuple((tuple(each.shape), each.dtype) for each in inputs)


def _settings(name: str, module: nn.Module) -> Iterator[Any]:
    plain = {
        key: repr(value)
        for key, value in vars(module).items()
        if isinstance(value, bool | int | float | str | tuple | list | FunctionType | BuiltinFunctionType)
        and key != "training"
    }
    tensors = itertools.chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
    sizes = {key: tuple(each.shape) for key, each in tensors}
    yield name, type(module).__qualname__, tuple(sorted(plain.items())), tuple(sorted(sizes.items()))
