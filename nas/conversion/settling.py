"""Sizes that are baked into the code: which attribute of a module they come from, found by running narrower networks.

Where a size follows neither an attribute nor another group, the groups that meet it are fixed.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import gcd

from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from nas.conversion.cutting import Example, Failure, Follower, first_failure
from nas.conversion.following.graph import Graph, Operation
from nas.conversion.following.labels import Labels
from nas.conversion.groups import Group, Groups
from nas.conversion.layouts import Layout, Part

__all__ = ["common_steps", "settle", "settle_widths", "without_values"]


@dataclass(frozen=True)
class _Guess:
    """What might mend a failure.

    Attributes:
        attributes: names of attributes of the module, each with the place of a group among those that meet there.
        tied: places of two groups that keep the same share.
    """

    attributes: tuple[tuple[str, int], ...] = ()
    tied: tuple[int, int] | None = None


@dataclass
class _Sizes:
    """What is known so far."""

    model: nn.Module
    graph: Graph
    groups: Groups
    example: Example
    followers: list[Follower] = field(default_factory=list)

    def probes(self) -> list[dict[int, int]]:
        """Narrower networks, as numbers of units: in one all groups are, and in one of the others one of any two is."""
        tied = self.groups.tied()
        chosen = [[True] * len(tied)]
        chosen += [
            [bool(place >> bit & 1) for place in range(1, len(tied) + 1)] for bit in range(len(tied).bit_length())
        ]
        return [_narrowed([group for group, cut in zip(tied, each, strict=True) if cut]) for each in chosen]

    def failure(self, kept: Mapping[int, int]) -> Failure | None:
        """Where such a network does not do what was followed."""
        return first_failure(self.model, self.graph, self.groups, self.followers, kept, self.example)


def _narrowed(tied: Sequence[Sequence[Group]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for groups in tied:
        steps = common_steps(groups)
        found |= {group.number: group.units // steps * max(1, steps // 2) for group in groups}
    return found


def without_values(model: nn.Module, graph: Graph, groups: Groups, example: Example) -> tuple[nn.Module, Example]:
    """The model and its example where only sizes are computed (device "meta"), if it does there what was followed."""
    tensors = (*model.parameters(), *model.buffers())
    empty = copy.deepcopy(model, {id(tensor): tensor.detach().to("meta") for tensor in tensors})
    inputs = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), example)
    works = first_failure(empty, graph, groups, (), {}, inputs) is None
    return (empty, inputs) if works else (model, example)


def common_steps(tied: Sequence[Group]) -> int:
    """Into how many equal steps all of the groups can be cut."""
    return gcd(*(group.units for group in tied))


def settle(model: nn.Module, graph: Graph, groups: Groups, example: Example) -> list[Follower]:
    """The attributes that follow groups; afterwards what is elastic can be cut.

    Args:
        model: a copy in which no module is elastic.
        graph: of the model.
        groups: of the graph; those that cannot be cut are fixed.
        example: arguments of its forward.
    """
    sizes = _Sizes(model, graph, groups, example)
    _fix_what_has_one_width(groups)
    place = 0
    while place < len(probes := sizes.probes()):
        failure = sizes.failure(probes[place])
        place = place + 1 if failure is None else 0 if _settled(sizes, failure, probes[place]) else place
    return sizes.followers


def settle_widths(
    model: nn.Module,
    graph: Graph,
    groups: Groups,
    followers: Sequence[Follower],
    networks: Callable[[], Iterable[Mapping[int, int]]],
    example: Example,
) -> None:
    """Fixes the groups of which a network that may be chosen does not do what was followed.

    Args:
        model, graph, groups, followers, example: as in :func:`settle`.
        networks: gives some, each as numbers of units, of what is elastic at that time.
    """
    sizes = _Sizes(model, graph, groups, example, list(followers))
    while failures := [(each, kept) for kept in networks() if (each := sizes.failure(kept)) is not None]:
        _fix_stuck(sizes, *failures[0])


def _fix_stuck(sizes: _Sizes, failure: Failure, kept: Mapping[int, int]) -> None:
    """Fixes the groups that meet where a narrower network fails."""
    near, far = ([number for number in numbers if number in kept] for numbers in _meeting(sizes, failure))
    where = f"'{failure.path}'" if failure.path else "the model"
    for number in near or far or list(kept):
        sizes.groups.fix(number, f"{where} has a size of its own: {failure.reason}")
    sizes.groups.lay_out(sizes.graph.axes.values())
    sizes.followers = [each for each in sizes.followers if _all_elastic(sizes.groups, each.layout)]


def _settled(sizes: _Sizes, failure: Failure, kept: Mapping[int, int]) -> bool:
    """Mends a failure, or fixes the groups that meet there; whether that changed which groups there are to cut."""
    groups, before = sizes.groups, len(sizes.groups.tied())
    if not _mended(sizes, failure, kept):
        _fix_stuck(sizes, failure, kept)
    _fix_what_has_one_width(groups)
    sizes.followers = [each for each in sizes.followers if _all_elastic(groups, each.layout)]
    return len(groups.tied()) != before


def _fix_what_has_one_width(groups: Groups) -> None:
    for tied in groups.tied():
        if common_steps(tied) == 1:
            for group in tied:
                groups.fix(group.number, "nothing can be left out of it, since no share of it is a whole number")


def _all_elastic(groups: Groups, layout: Layout) -> bool:
    return all(groups.all[number].reason is None for number in layout.groups)


def _mended(sizes: _Sizes, failure: Failure, kept: Mapping[int, int]) -> bool:
    """Whether a guess was found with which the narrower network runs further; it is kept."""
    before, equal = list(sizes.followers), list(sizes.groups.equal)
    for guess in _guesses(sizes, failure):
        _apply(sizes, failure, guess)
        after = sizes.failure(_with_tied(sizes.groups, kept))
        if after is None or after.operation > failure.operation:
            return True
        sizes.followers, sizes.groups.equal = list(before), list(equal)
    return False


def _with_tied(groups: Groups, kept: Mapping[int, int]) -> dict[int, int]:
    """The numbers of units with those of groups that are tied to one of them."""
    return _narrowed([tied for tied in groups.tied() if any(group.number in kept for group in tied)])


def _meeting(sizes: _Sizes, failure: Failure) -> tuple[list[int], list[int]]:
    """The elastic groups that meet in the operation, and those that its module takes besides."""
    operation = sizes.graph.operations[failure.operation]
    near = _groups_in(sizes.groups, [*operation.inputs, *operation.outputs])
    blocks = [block for block in sizes.graph.blocks if block.path == operation.path]
    far = _groups_in(sizes.groups, [labels for block in blocks[:1] for labels in (block.before, block.after)])
    return near, [number for number in far if number not in near]


def _groups_in(groups: Groups, labels: Sequence[Labels]) -> list[int]:
    found: dict[int, None] = {}
    for each in labels:
        ids = each.ids.reshape(-1).numpy()
        for number in dict.fromkeys(groups.of_channel[ids[ids >= 0]].tolist()):
            if number >= 0 and groups.all[number].reason is None:
                found[int(number)] = None
    return list(found)


def _guesses(sizes: _Sizes, failure: Failure) -> Iterator[_Guess]:
    near, far = _meeting(sizes, failure)
    meeting = [*near, *far]
    module = sizes.model.get_submodule(sizes.graph.operations[failure.operation].path)
    taken = {each.name for each in sizes.followers if each.path == sizes.graph.operations[failure.operation].path}
    single = [
        (name, place)
        for place, number in enumerate(meeting)
        for name, size in _sizes_of(module)
        if name not in taken and size % sizes.groups.all[number].units == 0 and size > 1
    ]
    ties = list(combinations(range(len(meeting)), 2))
    for each in single:
        yield _Guess((each,))
    for tied in ties:
        yield _Guess((), tied)
        for each in single:
            yield _Guess((each,), tied)
    for one, other in combinations(single, 2):
        if one[0] != other[0]:
            yield _Guess((one, other))
            for tied in ties:
                yield _Guess((one, other), tied)


def _sizes_of(module: nn.Module) -> Iterator[tuple[str, int]]:
    for name, value in vars(module).items():
        if isinstance(value, int) and not isinstance(value, bool):
            yield name, value
        elif isinstance(value, tuple | list) and len(value) == 1 and type(value[0]) is int:
            yield name, value[0]


def _apply(sizes: _Sizes, failure: Failure, guess: _Guess) -> None:
    """Takes a guess for the module, and for all of its class whose operation of this number meets as many groups."""
    failed = sizes.graph.operations[failure.operation]
    kind = type(sizes.model.get_submodule(failed.path))
    for number, operation in enumerate(sizes.graph.operations):
        alike = operation.name == failed.name and operation.number == failed.number
        if alike and type(sizes.model.get_submodule(operation.path)) is kind:
            _apply_at(sizes, operation, Failure(number, operation.path, ""), guess)


def _apply_at(sizes: _Sizes, operation: Operation, at: Failure, guess: _Guess) -> None:
    meeting = [number for numbers in _meeting(sizes, at) for number in numbers]
    module = sizes.model.get_submodule(operation.path)
    held, known = dict(_sizes_of(module)), {(each.path, each.name) for each in sizes.followers}
    for name, place in guess.attributes:
        units = sizes.groups.all[meeting[place]].units if place < len(meeting) else 0
        if units and held.get(name, 0) and held[name] % units == 0 and (operation.path, name) not in known:
            layout = Layout((Part(meeting[place], held[name] // units, units),))
            value = vars(module)[name]
            shape = None if isinstance(value, int) else type(value)
            sizes.followers.append(Follower(operation.path, name, layout, shape))
    if guess.tied is not None and max(guess.tied) < len(meeting):
        one, other = (meeting[place] for place in guess.tied)
        sizes.groups.tie(one, other, f"{operation.name}() in '{operation.path}'")
