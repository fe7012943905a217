"""Layers of NNI whose arguments may be mutable, as layers of PyTorch or elastic ones."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

import nas.nn
from nas.errors import UsageError
from nas.models.nni_symbols import Symbols
from nas.nn import ElasticLayer, Gate
from nas.nn.channel_ranges import write
from nas.space import choices_of

__all__ = ["plain_or_elastic"]

_SETTINGS = ("eps", "momentum", "p", "training")
_SHAPES: dict[str, tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]] = {
    "ClassToken": ("cls_token", lambda given: (1, 1, given["embed_dim"])),
    "AbsolutePositionEmbedding": ("pos_embed", lambda given: (1, given["length"], given["embed_dim"])),
}
"""Modules of NNI's AutoFormer that hold a parameter of elastic size: its name, and its shape by their arguments."""


def plain_or_elastic(module: Any, symbols: Symbols, path: str) -> nn.Module:
    """A parametrised module of NNI: with choices among its arguments an elastic layer, else one of PyTorch.

    Raises:
        UsageError: it has choices that no elastic layer takes.
    """
    kind = getattr(module, "_bound_type", None)
    arguments = _arguments(module, symbols, path)
    varies = bool(choices_of(*arguments.values()))
    if kind is None:
        return _with_elastic_parameter(module, arguments, symbols, path) if varies else module
    if not varies:
        plain = kind(**arguments)
        plain.load_state_dict(module.state_dict())
        return _with_settings(plain, module)
    layer = getattr(nas.nn, kind.__name__, None)
    if layer is None or not issubclass(layer, ElasticLayer):
        raise _no_counterpart(module, path)
    try:
        elastic = layer(**arguments)
    except UsageError as error:
        raise UsageError(f"module '{path}' of the NNI space cannot be elastic: {error}") from error
    tensors = dict([*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)])
    _copy_default(tensors, elastic, symbols)
    return _with_settings(elastic, module)


def _arguments(module: Any, symbols: Symbols, path: str) -> dict[str, Any]:
    """What it was made with, by name."""
    made = type(module)._init_wrapped or type(module).__init__
    given = inspect.signature(made).bind(None, *module.trace_args, **module.trace_kwargs)
    named = list(given.arguments.items())[1:]
    return {name: symbols(value, path) for name, value in named}


def _copy_default(tensors: Mapping[str, Tensor], layer: ElasticLayer, symbols: Symbols) -> None:
    """The weights of NNI's default network, in the part of the layer that this network uses."""
    gates = {choice: Gate((symbols.defaults[choice],)) for choice in choices_of(*layer.arguments.values())}
    regions = layer.resolve(gates).regions
    with torch.no_grad():
        for name, tensor in tensors.items():
            write(getattr(layer, name), regions[name], tensor)


def _with_settings(layer: nn.Module, module: nn.Module) -> nn.Module:
    """With what may be set after a module was made."""
    for name in _SETTINGS:
        if hasattr(module, name) and name in vars(layer) and getattr(layer, name) != getattr(module, name):
            setattr(layer, name, getattr(module, name))
    return layer


def _with_elastic_parameter(module: Any, arguments: dict[str, Any], symbols: Symbols, path: str) -> nn.Module:
    if type(module).__name__ not in _SHAPES:
        raise _no_counterpart(module, path)
    name, shape = _SHAPES[type(module).__name__]
    parameter = nas.nn.Parameter(shape(arguments))
    nn.init.trunc_normal_(parameter.weight, std=0.02)
    _copy_default({"weight": getattr(module, name)}, parameter, symbols)
    delattr(module, name)
    setattr(module, name, parameter)
    return module  # type: ignore[no-any-return]


def _no_counterpart(module: nn.Module, path: str) -> UsageError:
    return UsageError(
        f"module '{path}' of the NNI space is a {type(module).__name__} with choices, for which nas.nn has no elastic "
        "layer; put a module for each candidate into a LayerChoice."
    )
