"""What tells plain modules apart that do different work, whatever their weights are."""

from collections.abc import Sequence
from types import BuiltinFunctionType, FunctionType
from typing import Any

from torch import Tensor, nn

from nas.nn.tree import modules, own_tensors

__all__ = ["shapes", "signature"]


def signature(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Any, ...]:
    """Equal for modules that do the same work on inputs of the same shapes."""
    return (shapes(inputs), *(_settings(name, each) for name, each in modules(module)))


def shapes(inputs: Sequence[Tensor]) -> tuple[Any, ...]:
    """Shape and type of each."""
    return tuple((tuple(each.shape), each.dtype) for each in inputs)


def _settings(name: str, module: nn.Module) -> tuple[Any, ...]:
    plain = {
        key: repr(value)
        for key, value in vars(module).items()
        if isinstance(value, bool | int | float | str | tuple | list | FunctionType | BuiltinFunctionType)
        and key != "training"
    }
    sizes = {key: tuple(each.shape) for key, each in own_tensors(module)}
    return name, type(module).__qualname__, tuple(sorted(plain.items())), tuple(sorted(sizes.items()))
