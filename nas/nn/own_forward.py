"""Elastic layers that were subclassed: which have a forward that their plain twin lacks, and a plain module with it."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from nas.errors import UsageError
from nas.nn.elastic import Elastic
from nas.nn.elastic_layer import ElasticLayer
from nas.nn.graph import as_graph

__all__ = ["has_own_forward", "hold", "with_own_forward"]

_INHERITED = "inherited"


def has_own_forward(module: Elastic) -> bool:
    """Whether a subclass gave it a forward without saying by ``plain`` or ``twin`` what the plain module is."""
    kinds = type(module).__mro__
    return kinds.index(_owner(module, "forward")) < kinds.index(_owner(module, "plain", "twin"))


def with_own_forward(layer: ElasticLayer, plain: nn.Module, attached: Mapping[str, Any]) -> fx.GraphModule:
    """The forward of a subclass as a graph, in which ``super().forward`` calls the plain twin of what it extends.

    Args:
        layer: has a forward of its own.
        plain: the twin, without that forward.
        attached: what else the forward may read: plain modules, tensors, values, ``arguments`` without choices.

    Raises:
        UsageError: the forward cannot be traced, or does other things in training than in evaluation.
    """
    kind = type_before_parametrizations(layer)
    extended: Any = _owner(layer, "plain", "twin")
    layer_of = next(each for each in kind.__mro__ if layer.extended() in each.__bases__)

    class Fixed(extended):
        def forward(self, *inputs: Any, **named: Any) -> Any:
            return getattr(self, _INHERITED)(*inputs, **named)

    fixed: Any = type(kind.__name__, (kind, Fixed), {})
    module = fixed.__new__(fixed)
    nn.Module.__init__(module)
    for name, value in {**attached, **plain._parameters, **plain._buffers, _INHERITED: plain}.items():
        hold(module, name, value, name in plain._buffers or name in layer._buffers)
    module.configure({})
    try:
        training, evaluation = _graph(module, True), _graph(module, False)
    except Exception as error:  # whatever the code of a user raises when it is given a proxy
        raise UsageError(
            f"the forward of {kind.__name__} cannot be traced ({_first_line(error)}), so the delivered network could "
            f"not have it; put a nas.nn.{layer_of.__name__} into a module of your own instead of extending it."
        ) from error
    if training.code != evaluation.code:
        raise UsageError(
            f"the forward of {kind.__name__} does other things in training than in evaluation, which the delivered "
            f"network could not; put a nas.nn.{layer_of.__name__} into a module of your own instead of extending it."
        )
    return training if layer.training else evaluation


def hold(module: nn.Module, name: str, value: Any, is_buffer: bool) -> None:
    """Gives a module an attribute, be it a module, a parameter, a buffer or anything else."""
    if is_buffer and (value is None or isinstance(value, Tensor)):
        module.register_buffer(name, value)
    else:
        setattr(module, name, value)


def _graph(module: nn.Module, training: bool) -> fx.GraphModule:
    module.training = training  # of the children, the twin knows its mode by itself
    return as_graph(module)


def _owner(module: nn.Module, *names: str) -> type:
    return next(kind for kind in type(module).__mro__ if any(name in vars(kind) for name in names))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")
