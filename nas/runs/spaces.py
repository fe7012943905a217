"""Finds a search space by name and builds its model for the data."""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from torch import nn

from nas.errors import UsageError, did_you_mean
from nas.functions import import_function

__all__ = ["available_spaces", "build_space", "space_arguments"]

_GROUP = "nas.spaces"


def available_spaces() -> dict[str, str]:
    """Every installed space with the first line of its documentation."""
    return {entry.name: _first_line(entry.load()) for entry in sorted(entry_points(group=_GROUP), key=lambda e: e.name)}


def build_space(name: str, arguments: Mapping[str, Any], input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The model of a space.

    Args:
        name: of an entry point in the group ``nas.spaces``, or ``module:function``.
        arguments: given to the function by name; ``input_shape`` and ``classes`` are added if it takes them.

    Raises:
        UsageError: no such space, an argument it does not take, or a function that fails or returns no module.
    """
    function = _find(name)
    known = inspect.signature(function).parameters
    for argument in arguments:
        if argument not in known:
            raise UsageError(f"space '{name}' has no argument '{argument}'; {did_you_mean(argument, known)}")
    given = {key: value for key, value in (("input_shape", input_shape), ("classes", classes)) if key in known}
    try:
        model = function(**{**given, **arguments})
    except UsageError:
        raise
    except Exception as error:  # a space is the user's code and can fail in any way
        raise UsageError(
            f"space '{name}' cannot be built with {dict(arguments)} for input {input_shape}: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(model, nn.Module):
        raise UsageError(f"space '{name}' returned {type(model).__name__}, expected a torch.nn.Module.")
    return model


def space_arguments(name: str) -> set[str]:
    """The arguments that a space takes.

    Raises:
        UsageError: no such space.
    """
    return set(inspect.signature(_find(name)).parameters)


def _find(name: str) -> Callable[..., Any]:
    if ":" in name:
        return import_function(name, "space")
    entries = {entry.name: entry for entry in entry_points(group=_GROUP)}
    if name not in entries:
        raise UsageError(f"space '{name}' is not known; {did_you_mean(name, entries)}")
    function = entries[name].load()
    if not callable(function):
        raise UsageError(f"space '{name}' is no function; its package registers something else.")
    return function  # type: ignore[no-any-return]


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
