"""Which candidate of a choice is the larger network: candidates that are modules are ordered by their exact cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from nas.errors import UsageError
from nas.nn import Gate, OneOf, Zero
from nas.space import Choice, Space, are_numbers, order_by_value
from nas.supernet.discovery import Discovery, Site
from nas.supernet.parts import parts_in_use
from nas.supernet.probe import Probe, is_free

__all__ = ["Ordering", "order_by_cost", "order_of"]

_Cost = tuple[int, int, int]
"""Parameters, FLOPs, and for each operation 0 if it passes nothing on, 1 if it is an identity, else 2."""


@dataclass(frozen=True)
class Ordering:
    """Which candidates are larger than others, of the choices that cost decides about.

    Attributes:
        order: name → the positions of the candidates from the smallest to the largest.
        equally_large: name → the candidates that cost as much as the largest, of choices where there are several.
    """

    order: Mapping[str, tuple[int, ...]]
    equally_large: Mapping[str, tuple[Any, ...]]


def order_by_cost(found: Discovery, one_hot: Mapping[Choice, Sequence[Gate]], probe: Probe | None = None) -> Ordering:
    """Orders the candidates of choices between modules, and of all choices whose candidates are not numbers.

    What counts is the number of parameters that run in the modules that read the choice, each once; among equals
    their FLOPs, where the input is known; then whether a candidate passes nothing on
    (:class:`~nas.nn.Zero`), passes its input on (``nn.Identity``) or works; then the order of the values. Choices
    inside of a candidate are at their largest, so they are ordered before it.

    Args:
        found: what discovery found in a model, whose elastic modules are left at the largest candidates.
        one_hot: a gate for each candidate of every choice.
        probe: of this model; None where its input is not known.

    Raises:
        UsageError: the model cannot be run on such inputs.
    """
    costs = _Costs(found, one_hot, probe)
    order: dict[str, tuple[int, ...]] = {}
    equally_large: dict[str, tuple[Any, ...]] = {}
    for name in _inner_first(found):
        choice = found.choices[name]
        by_value = order_by_value(choice.candidates)
        if costs.decide(choice):
            cost = costs.of_candidates(choice)
            order[name] = tuple(sorted(by_value, key=cost.__getitem__))
            equal = tuple(choice.candidates[each] for each in by_value if cost[each] == cost[order[name][-1]])
            if len(equal) > 1:
                equally_large[name] = equal
        costs.take(choice, order.get(name, by_value)[-1])
    return Ordering(order, equally_large)


def order_of(space: Space, found: Discovery) -> Ordering:
    """The order that candidates have in a space, for another model of the same choices.

    Raises:
        UsageError: its choices are others.
    """
    if space.fingerprint != found.space.fingerprint:
        raise UsageError(
            "the model has other choices than the supernet whose order of candidates it takes; only sizes may differ."
        )
    return Ordering(space.order, {})


class _Costs:
    """The costs of candidates, all other choices at what they took last."""

    def __init__(self, found: Discovery, one_hot: Mapping[Choice, Sequence[Gate]], probe: Probe | None) -> None:
        self._found, self._one_hot, self._probe = found, one_hot, probe
        self._sites: dict[Choice, list[Site]] = {choice: [] for choice in one_hot}
        for site in found.sites:
            for choice in site.choices:
                self._sites[choice].append(site)
        self._taken = {choice: order_by_value(choice.candidates)[-1] for choice in one_hot}
        self._gates = {choice: one_hot[choice][position] for choice, position in self._taken.items()}
        for site in found.sites:
            site.module.configure(self._gates)

    def decide(self, choice: Choice) -> bool:
        """Whether the candidates are ordered by what they cost."""
        sites = self._sites[choice]
        return any(isinstance(site.module, OneOf) for site in sites) or not are_numbers(choice.candidates)

    def take(self, choice: Choice, position: int) -> None:
        """Makes the model follow a candidate."""
        self._taken[choice], self._gates[choice] = position, self._one_hot[choice][position]
        for site in self._sites[choice]:
            site.module.configure(self._gates)

    def of_candidates(self, choice: Choice) -> list[_Cost]:
        """The cost of each candidate; FLOPs are counted for those alone that have as many parameters as another."""
        readers = _outermost(self._sites[choice])
        operations = [reader for reader in readers if isinstance(reader, OneOf)]
        parameters = []
        for position in range(len(choice.candidates)):
            self.take(choice, position)
            parameters.append(_parameters(readers))
        costs = []
        for position, candidate in enumerate(choice.candidates):
            tied = parameters.count(parameters[position]) > 1
            flops = self._flops(choice, position, operations) if tied else 0
            costs.append((parameters[position], flops, sum(_work(each[candidate]) for each in operations)))
        return costs

    def _flops(self, choice: Choice, position: int, operations: Sequence[OneOf]) -> int:
        taken: dict[nn.Module, nn.Module] = {each: each[choice.candidates[position]] for each in operations}
        if self._probe is None or all(map(is_free, taken.values())):
            return 0
        if not any(map(self._probe.knows, operations)):
            self._reach(choice, self._probe)
        self.take(choice, position)
        return self._probe.flops(taken)

    def _reach(self, choice: Choice, probe: Probe) -> None:
        """Notes the inputs of all choices between modules in a forward in which this choice is active."""
        before, space = dict(self._taken), self._found.space
        (name,) = (name for name, each in self._found.choices.items() if each is choice)
        reached = space.largest_with(name)
        if reached is None:
            return
        for symbol, position in zip(self._found.choices.values(), space.indices([reached])[0].tolist(), strict=True):
            if position >= 0:
                self.take(symbol, position)
        probe.run({site.module for site in self._found.sites if isinstance(site.module, OneOf)})
        for symbol, position in before.items():
            self.take(symbol, position)


def _inner_first(found: Discovery) -> list[str]:
    """The names of the choices, each behind those that are read inside of its modules."""
    name_of = {choice: name for name, choice in found.choices.items()}
    inside: dict[str, set[str]] = {name: set() for name in found.choices}
    for site in found.sites:
        for condition in site.use:
            for name in condition.names:
                inside[name].update(name_of[choice] for choice in site.choices)
    ordered: dict[str, None] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name not in begun:
            begun.add(name)
            for other in found.choices:
                if other in inside[name]:
                    visit(other)
            ordered[name] = None

    for name in found.choices:
        visit(name)
    return list(ordered)


def _outermost(sites: Sequence[Site]) -> list[nn.Module]:
    """The modules, each once, that are not inside of another of them."""
    paths = {f"{site.path}." if site.path else "" for site in sites}
    return list(dict.fromkeys(site.module for site in sites if not any(above in paths for above in _above(site.path))))


def _above(path: str) -> list[str]:
    """What the paths of the modules around one begin with, as in ``["", "a.", "a.b."]`` for ``"a.b.c"``."""
    parts = path.split(".") if path else []
    return ["".join(f"{part}." for part in parts[:count]) for count in range(len(parts))]


def _parameters(modules: Sequence[nn.Module]) -> int:
    """How many elements of parameters run in modules, each once."""
    parts = {key: shape for module in modules for key, shape in parts_in_use(module, {}).items()}
    return sum(map(math.prod, parts.values()))


def _work(operation: nn.Module) -> int:
    return 0 if isinstance(operation, Zero) else 1 if isinstance(operation, nn.Identity) else 2
