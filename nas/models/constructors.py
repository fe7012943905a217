"""A model by its name: a function of one's own, or a constructor of torchvision or timm, which downloads nothing."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError, did_you_mean
from nas.parts import check_options, import_object

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_model", "names_own_code"]

_LIBRARIES = ("torchvision", "timm")


def names_own_code(name: str) -> bool:
    """Whether a name of a model is ``module:function`` of a user, which runs what it names.

    >>> names_own_code("mine:build"), names_own_code("torchvision:resnet18")
    (True, False)
    """
    return name.partition(":")[0] not in _LIBRARIES


def build_model(name: str, arguments: Mapping[str, Any], input_shape: tuple[int, ...], classes: int) -> "nn.Module":
    """A model with fresh weights.

    Args:
        name: ``module:function`` of one's own, ``torchvision:NAME`` or ``timm:NAME``.
        arguments: of the constructor, by name.
        input_shape: of one example without the batch; given to a function that takes ``input_shape``.
        classes: number of outputs; given to one that takes ``classes`` or ``num_classes``.

    Raises:
        UsageError: there is no such constructor, its library cannot be imported, an argument is not taken, or it fails
            or returns no module.
    """
    from torch import nn

    library, _, own = name.partition(":")
    if not own:
        raise UsageError(
            f"model '{name}' names no function; write module:function, torchvision:NAME or timm:NAME, such as "
            "torchvision:resnet18."
        )
    made = {"torchvision": _of_torchvision, "timm": _of_timm}.get(library)
    construct = _of_user(name, input_shape, classes) if made is None else made(own, input_shape, classes)
    try:
        model = construct(arguments)
    except UsageError:
        raise
    except Exception as error:  # a constructor is another's code and can fail in any way
        given = f" with {dict(arguments)}" if arguments else ""
        raise UsageError(
            f"model '{name}' cannot be built{given} for input {input_shape} and {classes} outputs: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(model, nn.Module):
        raise UsageError(f"model '{name}' returned {type(model).__name__}, expected a torch.nn.Module.")
    return model


_Construct = Callable[[Mapping[str, Any]], Any]


def _of_user(name: str, input_shape: tuple[int, ...], classes: int) -> _Construct:
    function = import_object(name, "model")
    if not callable(function) or not (inspect.isclass(function) or inspect.isroutine(function)):
        kind = type(function).__name__
        raise UsageError(f"model '{name}' is of type {kind}, expected a function that returns a torch.nn.Module.")
    known = inspect.signature(function).parameters
    ours = {"input_shape": input_shape, "classes": classes, "num_classes": classes}
    given = {key: value for key, value in ours.items() if key in known}
    return lambda arguments: function(**{**given, **check_options(function, arguments, f"model '{name}'")})


def _of_torchvision(name: str, input_shape: tuple[int, ...], classes: int) -> _Construct:
    models = _imported("torchvision").models
    _require("torchvision", name, models.list_models())
    known = inspect.signature(models.get_model_builder(name)).parameters
    unweighted = {each: None for each in ("weights", "weights_backbone") if each in known}
    return lambda arguments: models.get_model(name, **{**unweighted, "num_classes": classes, **arguments})


def _of_timm(name: str, input_shape: tuple[int, ...], classes: int) -> _Construct:
    timm = _imported("timm")
    _require("timm", name, timm.list_models())
    ours = {"pretrained": False, "num_classes": classes, "in_chans": input_shape[0]}
    return lambda arguments: timm.create_model(name, **{**ours, **arguments})


def _require(library: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise UsageError(f"model '{library}:{name}' is not known; {did_you_mean(name, known)}")


def _imported(library: str) -> ModuleType:
    import torch

    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"model '{library}:…' needs {library}, which is not installed (no module '{error.name}'); install the "
            f"build that goes with PyTorch {torch.__version__}: pip install {library}."
        ) from error
    except Exception as error:  # a library that does not fit the installed PyTorch fails in any way
        raise UsageError(
            f"model '{library}:…' needs {library}, which cannot be imported ({type(error).__name__}: {error}); install "
            f"the build that goes with PyTorch {torch.__version__}."
        ) from error
