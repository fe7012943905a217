"""Finds a search space by name and builds its model for the data."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.parts import Slot, check_options
from nas.space import Space

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nas.conversion import Calibration, ElasticModel

__all__ = ["OWN_MODEL", "SPACES", "build_space", "called", "space_arguments"]

OWN_MODEL = "elastic"
"""The space of a model that somebody has, which is named by its argument ``model``."""

SPACES: Slot[Callable[..., Any]] = Slot(
    "space",
    "nas.spaces",
    {OWN_MODEL: "nas.models.space:elastic_space"},
    lambda part: callable(part) or isinstance(part, Space),
    "a function that returns a torch module, or a nas.Space",
    {"nni": "nas.models.nni_hub:hub_space"},
)


def build_space(
    name: str,
    arguments: Mapping[str, Any],
    input_shape: tuple[int, ...],
    input_dtype: "torch.dtype",
    classes: int,
    calibration: "Calibration | None" = None,
) -> "nn.Module | ElasticModel":
    """The model of a space.

    Args:
        name: of an entry point in the group ``nas.spaces``, or ``module:function``.
        arguments: given to the function by name; ``input_shape``, ``input_dtype``, ``classes`` and ``calibration`` are
            added if it takes them.

    Raises:
        UsageError: no such space, an argument it does not take, or a function that fails or returns no module.
    """
    from torch import nn

    from nas.conversion import ElasticModel

    function = SPACES[name]
    if isinstance(function, Space):
        raise UsageError(_without_model(name))
    known = inspect.signature(function).parameters
    arguments = check_options(function, arguments, f"space '{name}'", ["calibration"])
    ours = {"input_shape": input_shape, "input_dtype": input_dtype, "classes": classes, "calibration": calibration}
    given = {key: value for key, value in ours.items() if key in known}
    model = called(name, {**given, **arguments})
    if isinstance(model, Space):
        raise UsageError(_without_model(name))
    if not isinstance(model, nn.Module | ElasticModel):
        raise UsageError(f"space '{name}' returned {type(model).__name__}, expected a torch.nn.Module.")
    return model


def called(name: str, arguments: Mapping[str, Any]) -> Any:
    """What the function of a space returns.

    Raises:
        UsageError: it fails.
    """
    try:
        return SPACES[name](**arguments)
    except UsageError:
        raise
    except Exception as error:  # a space is the user's code and can fail in any way
        raise UsageError(
            f"space '{name}' cannot be built with {dict(arguments)}: {type(error).__name__}: {error}."
        ) from error


def _without_model(name: str) -> str:
    return (
        f"space '{name}' is a nas.Space, which has no model to train; search it with --evaluator table or "
        "module:function and without a task."
    )


def space_arguments(name: str) -> set[str]:
    """The arguments that a space takes.

    Raises:
        UsageError: no such space.
    """
    part = SPACES[name]
    return set() if isinstance(part, Space) else set(inspect.signature(part).parameters)
