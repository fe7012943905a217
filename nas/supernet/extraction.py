"""From a supernet to the plain network of one architecture."""

import copy
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from torch import nn

from nas.nn import Elastic
from nas.space import Choice, evaluate, expressions_in

__all__ = ["extract"]


def extract(model: nn.Module, values: Mapping[Choice, Any], tied: Sequence[Sequence[nn.Module]] = ()) -> nn.Module:
    """A deep copy of the active network in which nothing elastic is left.

    Every elastic module is replaced by its plain ``torch.nn`` twin, every attribute that was a choice or an
    expression by its value. The copy shares no state with the model.

    Args:
        model: a model whose elastic modules follow the architecture.
        values: the candidate of each active choice.
        tied: sets of modules whose copies have the same parameters where these are equal.
    """
    memo: dict[int, Any] = {}

    def plain(module: nn.Module) -> nn.Module:
        if id(module) not in memo:
            if isinstance(module, Elastic):
                memo[id(module)] = module.plain(plain)
            else:
                _prepare(module)
        return copy.deepcopy(module, memo)

    def _prepare(module: nn.Module) -> None:
        """Puts what replaces the attributes and children of a module where ``deepcopy`` looks for copies."""
        for expression in expressions_in(vars(module).values()):
            if all(choice in values for choice in expression.choices):
                memo[id(expression)] = evaluate(expression, values)
        for child in module.children():
            plain(child)

    network = plain(model)
    for modules in tied:
        for first, second in combinations([memo[id(module)] for module in modules if id(module) in memo], 2):
            _tie(first, second)
    return network


def _tie(first: nn.Module, second: nn.Module) -> None:
    """Gives the second module the parameters of the first that it has equal ones for."""
    own = dict(second.named_parameters())
    for name, parameter in first.named_parameters():
        if name in own and own[name].shape == parameter.shape and (parameter.is_meta or own[name].equal(parameter)):
            owner, _, attribute = name.rpartition(".")
            setattr(second.get_submodule(owner), attribute, parameter)
