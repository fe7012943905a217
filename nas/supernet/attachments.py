"""What an extracted network could not have, refused when the supernet is built; and a model that is changed later.

A plain twin is a new module: what is attached to an elastic module would be lost if extraction did not carry it over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MethodType
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from nas.errors import UsageError
from nas.nn import Elastic, ElasticLayer, Parameter
from nas.nn.own_forward import has_own_forward
from nas.nn.tree import below, children, modules
from nas.space import Choice
from nas.supernet.extraction import extract

__all__ = ["Child", "check_attached", "check_forwards", "check_sizes", "check_tree", "tree_above"]

_SYNCHRONISED = (
    " Leave SyncBatchNorm out: it has no choices, running statistics are averaged over processes without it, and each "
    "network is recalibrated before it is evaluated."
)
_LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True, eq=False)
class Child:
    """A module of the model at the place where it was when the supernet was built."""

    parent: nn.Module
    name: str
    module: nn.Module
    path: str


def check_attached(model: nn.Module) -> None:
    """Refuses what is attached to modules and cannot be kept.

    Raises:
        UsageError: a module whose forward was replaced by another function, hooks on a parameter or on a module that
            chooses between modules or puts them together, or a subclass of one with a forward but no ``plain`` of its
            own; another function of a layer; a parameter in a list of modules.
    """
    for path, module in modules(model):
        replaced = vars(module).get("forward")
        if replaced is not None and not (isinstance(replaced, MethodType) and replaced.__self__ is module):
            raise UsageError(
                f"the forward of '{path}' ({type(module).__name__}) was replaced by another function, which would go "
                "on using this module in every copy; write a subclass of torch.nn.Module with that forward."
            )
        if any(isinstance(child, Parameter) for child in module.children()) and isinstance(module, _LISTS):
            raise UsageError(
                f"'{path}' is a {type(module).__name__} that holds a nas.nn.Parameter, which is a tensor in the "
                "delivered network; give it to a module as an attribute."
            )
        if isinstance(module, Parameter):
            _check_hooks(path, module, "a module that uses it")
        elif isinstance(module, ElasticLayer):
            _check_inner(path, module)
        elif isinstance(module, Elastic):
            _check_container(path, module)


def check_sizes(model: nn.Module) -> None:
    """Refuses (UsageError) modules whose size the first input would decide, as if every network had the same one."""
    for path, module in modules(model):
        tensors = (*module._parameters.values(), *module._buffers.values())
        if any(isinstance(each, UninitializedParameter | UninitializedBuffer) for each in tensors):
            kind = type(module).__name__
            raise UsageError(
                f"'{path}' is a {kind}, whose size is not known before it is run; give it by torch.nn."
                f"{kind.removeprefix('Lazy')}, or by the layer of nas.nn where it follows a choice."
            )


def check_forwards(sites: Iterable[tuple[str, Elastic]], values: Mapping[Choice, Any]) -> None:
    """Refuses (UsageError) configured layers with a forward of their own that no plain module can have."""
    for path, module in sites:
        if isinstance(module, ElasticLayer) and has_own_forward(module):
            try:
                extract(module, values)
            except UsageError as error:
                raise UsageError(f"'{path}': {error}") from error.__cause__


def tree_above(model: nn.Module, found: Iterable[nn.Module]) -> list[Child]:
    """The modules and everything that holds them, each with its place."""
    wanted, above = set(found), []

    def visit(module: nn.Module, path: str) -> bool:
        holds = module in wanted
        for name, child in children(module):
            if visit(child, below(path, name)):
                above.append(Child(module, name, child, below(path, name)))
                holds = True
        return holds

    visit(model, "")
    return above


def check_tree(above: Iterable[Child]) -> None:
    """Refuses (UsageError) to go on with a model in which a module was replaced."""
    for child in above:
        now = child.parent._modules.get(child.name)
        if now is not child.module:
            there = "is gone" if now is None else f"was replaced by a {type(now).__name__}"
            raise UsageError(
                f"'{child.path}', a {type(child.module).__name__} with choices in or below it, {there} after the "
                "supernet was built, so it does not follow the architecture; change the model first, then build the "
                f"nas.Supernet.{_SYNCHRONISED if isinstance(now, nn.SyncBatchNorm) else ''}"
            )


def _check_inner(path: str, layer: ElasticLayer) -> None:
    kinds = type(layer).__mro__
    plain = layer.extended()
    made = next(kind for kind in kinds if plain in kind.__bases__)
    for name in ("_conv_forward", "__call__", "functional"):
        owner = next((kind for kind in kinds if name in vars(kind)), nn.Module)
        of_layer = plain is nn.Module or owner in made.__mro__
        if not (of_layer if name == "functional" else owner.__module__.startswith("torch.")):
            raise UsageError(
                f"'{path}' is a {type(layer).__name__}, which defines {name}, so that its plain twin would compute "
                "something else; define forward instead."
            )


def _check_hooks(path: str, module: Elastic, instead: str) -> None:
    kind = type(module).__name__
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
        raise UsageError(
            f"'{path}' is a {kind} with a hook, which the delivered network would not have; register it on {instead}."
        )


def _check_container(path: str, module: Elastic) -> None:
    kind = type(module).__name__
    _check_hooks(path, module, f"a module inside, or put the {kind} into a torch.nn.Sequential that has the hook")
    if has_own_forward(module):
        raise UsageError(
            f"'{path}' is a {kind} with a forward of its own, which the delivered network would not have; define "
            "plain() as well, or put it into a module that has this forward."
        )
