"""Finds the choices of a model by walking its modules, and names them by module path."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from nas.errors import UsageError
from nas.nn import Branch, Elastic
from nas.nn.module_walk import walk
from nas.nn.tree import below
from nas.space import Choice, Condition, Space, Use, choices_of, evaluate, expressions_in

__all__ = ["Discovery", "Site", "discover"]


@dataclass(frozen=True)
class Site:
    """An elastic module at one path of the model, and the conditions under which it runs."""

    path: str
    module: Elastic
    use: Use

    @property
    def choices(self) -> tuple[Choice, ...]:
        return choices_of(*self.module.arguments.values())


@dataclass(frozen=True)
class Discovery:
    """What walking a model finds.

    Attributes:
        space: the search space, plain data.
        choices: the names of the space → the symbols in the model.
        sites: every elastic module, in the order of the modules.
    """

    space: Space
    choices: dict[str, Choice]
    sites: list[Site]


def discover(model: nn.Module, added: Mapping[str, Choice] | None = None) -> Discovery:
    """The space that a model describes.

    A choice is called by its explicit name or by the module path and argument of its first use, as in
    ``stages.0.depth`` or ``stem.conv.out_channels``.

    Args:
        model: holds elastic modules.
        added: choices of modules that need not be elastic, by module path; each is there when its module runs.

    Raises:
        UsageError: two different choices of one name, an attribute that holds a choice no layer reads, or elastic
            modules in a plain list, tuple or dictionary.
    """
    names: dict[Choice, str] = {}
    uses: dict[Choice, list[Use]] = {}
    sites: list[Site] = []
    for node in walk(model):
        path, module = node.path, node.module
        use = tuple(_condition(each, names) for each in node.branches if each.depends is not None)
        read: list[Choice] = []
        if isinstance(module, Elastic):
            _name_new_choices(path, module.arguments, names)
            sites.append(Site(path, module, use))
            read += sites[-1].choices
        if added and path in added:
            _name_new_choices(path, {"": added[path]}, names)
            read.append(added[path])
        for choice in read:
            uses.setdefault(choice, []).append(use)
    _check_attributes(model, names)
    symbols = {name: choice for choice, name in names.items()}
    space = Space(symbols, {names[choice]: tuple(dict.fromkeys(places)) for choice, places in uses.items()})
    return Discovery(space, symbols, sites)


def _name_new_choices(path: str, arguments: Mapping[str, Any], names: dict[Choice, str]) -> None:
    for argument, value in arguments.items():
        new = [choice for choice in choices_of(value) if choice not in names]
        unnamed = [choice for choice in new if choice.name is None]
        for choice in new:
            place = ".".join(filter(None, (path, argument)))
            default = place if len(unnamed) == 1 else f"{place}.{unnamed.index(choice)}" if choice in unnamed else ""
            name = choice.name or default or "choice"
            if name in names.values():
                raise UsageError(
                    f"two different choices are called '{name}' (the second is used in '{path}'); "
                    "give them different names, or use one Choice object to tie them."
                )
            names[choice] = name


def _condition(branch: Branch, names: dict[Choice, str]) -> Condition:
    depends, choices = branch.depends, choices_of(branch.depends)
    allowed = {
        indices
        for indices in itertools.product(*(range(len(choice.candidates)) for choice in choices))
        if branch.present(evaluate(depends, {c: c.candidates[i] for c, i in zip(choices, indices, strict=True)}))
    }
    return Condition(tuple(names[choice] for choice in choices), frozenset(allowed))


_REGISTERED = ("_modules", "_parameters", "_buffers")
_PLAIN = (bool, int, float, str, type(None))
_CONTAINERS = (list, tuple, set, dict)


def _elastic_in(value: Any) -> Iterator[Elastic]:
    """Elastic modules in plain containers, also below other modules there."""
    if isinstance(value, nn.Module):
        yield from (each for each in value.modules() if isinstance(each, Elastic))
    elif isinstance(value, _CONTAINERS):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _elastic_in(each)


def _check_attributes(model: nn.Module, names: dict[Choice, str]) -> None:
    registered = set(model.modules())
    for path, module in model.named_modules():
        for attribute, value in vars(module).items():
            in_container = isinstance(value, _CONTAINERS)
            if attribute in _REGISTERED or isinstance(value, _PLAIN) or (in_container and not value):
                continue
            if in_container and (hidden := next((each for each in _elastic_in(value) if each not in registered), None)):
                group = "ModuleDict" if isinstance(value, dict) else "ModuleList"
                raise UsageError(
                    f"'{below(path, attribute)}' holds an elastic {type(hidden).__name__} in a {type(value).__name__}, "
                    f"where neither PyTorch nor nas sees it; use torch.nn.{group}."
                )
            held = choices_of(*expressions_in([value]))
            if held and not isinstance(module, Elastic) and type(module).__module__.startswith("torch.nn."):
                raise UsageError(
                    f"'{path}.{attribute}' holds {held[0]!r}, but torch.nn.{type(module).__name__} takes no choice; "
                    "use a layer of nas.nn, or a nas.nn.OneOf with a layer for each candidate."
                )
            unread = [choice for choice in held if choice not in names]
            if unread:
                raise UsageError(
                    f"'{path}.{attribute}' holds {unread[0]!r}, which no layer of nas.nn reads, so it would have no "
                    "effect; give it to a layer, or use nas.nn.OneOf."
                )
