"""From a supernet to the plain network of one architecture."""

import copy
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from nas.nn import Elastic, ElasticLayer, Parameter
from nas.nn.channel_ranges import Region
from nas.nn.modes import evaluating
from nas.nn.own_forward import has_own_forward, hold, with_own_forward
from nas.nn.parametrised import is_writer, recompute
from nas.nn.tree import children
from nas.space import Choice, evaluate, expressions_in

__all__ = ["extract"]

_HOOKS = [name for name in vars(nn.Module()) if "hooks" in name]
_OWN = {
    *vars(nn.Module()),
    "arguments", "axes", "is_elastic", "_key", "_state", "_states", "_choices", "_sizes", "_settings",
}  # fmt: skip
"""Attributes of an elastic layer that say nothing of its plain twin."""


def extract(model: nn.Module, values: Mapping[Choice, Any]) -> nn.Module:
    """A deep copy of the active network in which nothing elastic is left.

    Every elastic module is replaced by its plain ``torch.nn`` twin, every attribute that was a choice or an
    expression by its value. The copy shares no state with the model. What is one object in the model is one in the
    copy: a module at two places, and a parameter of several layers where they use the same part of it.

    What is attached to an elastic layer stays: hooks, modules, parameters, attributes. A subclass with a forward of
    its own becomes a graph. Tensors that are computed from others, such as under weight norm, and pruned ones become
    ordinary ones of the value that they have in evaluation mode.

    Args:
        model: a model whose elastic modules follow the architecture.
        values: the candidate of each active choice.

    Raises:
        UsageError: an elastic layer has a forward of its own that cannot be traced.
    """
    recompute(model)
    return _Copies(values)(model)


class _Copies:
    """The plain modules of one network; ``memo`` is where ``deepcopy`` looks for copies."""

    def __init__(self, values: Mapping[Choice, Any]) -> None:
        self.values = values
        self.memo: dict[int, Any] = {}
        self._parts: dict[tuple[int, str, Region], Tensor] = {}

    def __call__(self, module: nn.Module) -> nn.Module:
        if id(module) not in self.memo:
            self._prepare(module)
            if isinstance(module, Elastic):
                self.memo[id(module)] = self._plain(module)
            else:
                for _, child in children(module):
                    self(child)
        made = copy.deepcopy(module, self.memo)
        if not isinstance(module, Elastic):
            for name in [name for name, child in children(module) if isinstance(child, Parameter)]:
                setattr(made, name, cast(nn.Parameter, made._modules.pop(name)))
        return made

    def tensor(self, layer: ElasticLayer, name: str) -> Tensor:
        own = layer._parameters.get(name, layer._buffers.get(name))
        region = layer.region(name)
        if own is not None and not region:
            return copy.deepcopy(own, self.memo)
        key = (id(layer), name, region) if own is None else (id(own), "", region)
        if key not in self._parts:
            with evaluating(layer):
                part = layer.part(name).detach().contiguous().clone()
            holders = layer.parameter_names().get(name, [])
            learns = any(getattr(holder, each).requires_grad for holder, each in holders)
            self._parts[key] = nn.Parameter(part, learns) if holders else part
        return self._parts[key]

    def _prepare(self, module: nn.Module) -> None:
        for expression in expressions_in(vars(module).values()):
            if all(choice in self.values for choice in expression.choices):
                self.memo[id(expression)] = evaluate(expression, self.values)

    def _plain(self, module: Elastic) -> nn.Module:
        plain = module.plain(self)
        if not isinstance(module, ElasticLayer) or isinstance(module, Parameter):
            return plain
        attached = self._attached(module)
        if has_own_forward(module):
            arguments = copy.deepcopy(module.arguments, self.memo)
            plain = with_own_forward(module, plain, {**attached, "arguments": arguments})
        for name, value in attached.items():
            if not hasattr(plain, name) and not name.startswith("_"):
                hold(plain, name, value, name in module._buffers)
        for kind in _HOOKS:
            kept = {number: hook for number, hook in vars(module)[kind].items() if not is_writer(hook)}
            vars(plain)[kind].update(copy.deepcopy(kept, self.memo))
        return plain

    def _attached(self, layer: ElasticLayer) -> dict[str, Any]:
        """What the layer holds besides the tensors that its torch twin has: modules, tensors, attributes."""
        read, twins = layer.parameter_names(), layer.axes
        made_of = {name for holders in read.values() for holder, name in holders if holder is layer} - {*read}
        buffers = [name for name, held in layer._buffers.items() if held is not None]
        tensors = [name for name in (*read, *buffers) if name not in twins and name not in made_of]
        return {
            **{name: copy.deepcopy(vars(layer)[name], self.memo) for name in vars(layer) if name not in {*_OWN, *read}},
            **{name: self.tensor(layer, name) for name in tensors},
            **{name: self(child) for name, child in layer.running()},
        }
