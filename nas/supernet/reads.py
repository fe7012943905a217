"""What a forward looks at besides its input, noted while it is traced.

A trace shows one run. It stands for every run, whatever the architecture, if the forward does nothing with its modules
but call them and reads nothing of its own that can change unnoticed. Global variables are taken for constants.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from nas.nn import Elastic

__all__ = ["AttributeRead", "NoChain", "Watch"]

_FIXED = (
    bool | int | float | complex | str | bytes | None | torch.dtype | torch.device | type
    | FunctionType | BuiltinFunctionType
)  # fmt: skip
_LISTING = ("children", "named_children", "get_submodule", "items", "keys", "values")
"""Methods of PyTorch by which a forward finds the modules that it calls."""
_TRACER, _CONTAINERS = "torch.fx.", ("torch.nn.modules.container", "torch.nn.modules.module")


class NoChain(Exception):  # noqa: N818
    """Why a forward is no chain."""


class Missing:
    """Stands for an attribute that is not there."""


@dataclass(frozen=True)
class AttributeRead:
    """What an attribute was.

    Attributes:
        owner: the module that has it; None for the model itself.
        name: of the attribute.
        value: a module, plain data or a function; of ``_modules`` the names and modules.
    """

    owner: nn.Module | None
    name: str
    value: Any

    def holds(self, model: nn.Module) -> bool:
        """Whether it still is that."""
        now = _comparable(self.name, getattr(model if self.owner is None else self.owner, self.name, Missing))
        return now is self.value or (type(now) is type(self.value) and bool(now == self.value))


class Watch:
    """Notes what is read of a model, and of the modules in it, and refuses all that a trace could not stand for.

    Args:
        model: whose forward runs.
        paths: of its modules.

    Attributes:
        reads: noted so far.
        refused: why the trace stands for no other run, also where the forward goes on after the error.
    """

    def __init__(self, model: nn.Module, paths: Mapping[nn.Module, str]) -> None:
        self._model, self._paths = model, paths
        self.reads: dict[tuple[int, str], AttributeRead] = {}
        self.refused: str | None = None

    @contextmanager
    def on(self) -> Iterator[None]:
        """Within it ``torch.nn.Module`` tells what is read and written.

        Raises:
            NoChain: where a forward reads what may differ in another run, or writes.
        """
        own: Any = nn.Module
        write, delete = own.__setattr__, own.__delattr__

        def watched_read(module: nn.Module, name: str) -> Any:
            reader = sys._getframe(1).f_globals.get("__name__", "")
            computed = getattr(type(module), name, None)
            if module is not self._model and isinstance(computed, property | cached_property):
                self._refuse(self._reading(module, name, computed))
            try:
                value = object.__getattribute__(module, name)
            except AttributeError:
                self._note(module, name, _registered(module, name), reader)
                raise
            self._note(module, name, value, reader)
            return value

        def watched_write(module: nn.Module, name: str, value: Any) -> None:
            if not sys._getframe(1).f_globals.get("__name__", "").startswith(_TRACER):
                self._refuse("it changes attributes" if module in self._paths else "it makes modules of its own")
            write(module, name, value)

        def watched_delete(module: nn.Module, name: str) -> None:
            self._refuse("it changes attributes")

        own.__getattribute__, own.__setattr__, own.__delattr__ = watched_read, watched_write, watched_delete
        try:
            yield
        finally:
            del own.__getattribute__
            own.__setattr__, own.__delattr__ = write, delete

    def _note(self, module: nn.Module, name: str, value: Any, reader: str) -> None:
        if reader.startswith(_TRACER) or name == "__class__" or (name == "__dict__" and reader in _CONTAINERS):
            return
        if isinstance(module, Elastic) and (reader not in _CONTAINERS or isinstance(value, nn.Module)):
            self._refuse(self._reading(module, name, value))
        if isinstance(value, nn.Module) or (name == "_modules" and reader in _CONTAINERS):
            self._keep(module, name, value)
        elif reader not in _CONTAINERS and not _lists_modules(name, value):
            if module is not self._model or not (_is_own_method(module, value) or _is_fixed(value)):
                self._refuse(self._reading(module, name, value))
            if name != "training":
                self._keep(module, name, value)

    def _keep(self, module: nn.Module, name: str, value: Any) -> None:
        owner = None if module is self._model else module
        self.reads[id(module), name] = AttributeRead(owner, name, _comparable(name, value))

    def _reading(self, module: nn.Module, name: str, value: Any) -> str:
        if module is not self._model:
            known = module in self._paths
            owner = f"module '{self._paths[module]}'" if known else "a module that is not in the model"
            return f"it reads '{name}' of {owner}"
        if isinstance(value, Tensor):
            return f"it reads '{name}' by itself"
        return f"it reads '{name}', a {type(value).__name__}, which may change"

    def _refuse(self, reason: str) -> NoReturn:
        self.refused = self.refused or reason
        raise NoChain(reason)


def _registered(module: nn.Module, name: str) -> Any:
    attributes = object.__getattribute__(module, "__dict__")
    kinds = (attributes.get(kind, {}) for kind in ("_parameters", "_buffers", "_modules"))
    return next((each[name] for each in kinds if name in each), Missing)


def _lists_modules(name: str, value: Any) -> bool:
    return name in _LISTING and isinstance(value, MethodType) and _is_of_torch(value)


def _is_own_method(module: nn.Module, value: Any) -> bool:
    """Whether its code runs while the forward is traced, so that what it reads is noted too."""
    return isinstance(value, MethodType) and value.__self__ in (module, type(module)) and not _is_of_torch(value)


def _is_of_torch(method: MethodType) -> bool:
    return method.__func__.__module__.startswith("torch.")


def _is_fixed(value: Any) -> bool:
    return isinstance(value, _FIXED) or (isinstance(value, tuple) and all(map(_is_fixed, value)))


def _comparable(name: str, value: Any) -> Any:
    if name == "_modules":
        return tuple(value.items())
    return value.__func__ if isinstance(value, MethodType) else value
