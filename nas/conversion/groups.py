"""Coupled groups: the channels that go together, and the sets of such units among which a width chooses."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from nas.conversion.following.graph import Axis, Graph, Ids, Place
from nas.conversion.layouts import Layout, layout_of

__all__ = ["Group", "Groups", "find_groups"]


@dataclass
class Group:
    """Units of channels that play the same part everywhere, of which a narrower network has the leading ones.

    Attributes:
        number: of the group.
        units: how many there are.
        axes: where they are in the tensors.
        couplings: the operations that bring their channels together.
        heads: whether a unit is a head of an attention.
        softened: whether a statistic is taken over all, so that zeroing a unit is not the same as leaving it out.
        reason: why all are kept; None of an elastic group.
    """

    number: int
    units: int
    axes: list[Axis] = field(default_factory=list)
    couplings: list[str] = field(default_factory=list)
    heads: bool = False
    softened: bool = False
    reason: str | None = None

    @property
    def name(self) -> str:
        """The path of the layer that makes its channels."""
        return self.axes[0].place.path or self.axes[0].place.name

    def __str__(self) -> str:
        return f"'{self.name}'"


@dataclass
class Groups:
    """All groups of a graph.

    Attributes:
        of_channel, unit_of: the group and the unit of each channel; -1 of a channel that is in no tensor.
        all: the groups.
        layouts: of each dimension of a tensor that carries channels.
        equal: groups that keep the same share, each with why.
    """

    of_channel: Ids
    unit_of: Ids
    all: list[Group]
    layouts: dict[tuple[Place, int], Layout] = field(default_factory=dict)
    equal: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def elastic(self) -> list[Group]:
        return [group for group in self.all if group.reason is None]

    def fix(self, number: int, reason: str) -> None:
        """Has all architectures keep a group, and those that must keep the same share of theirs."""
        waiting = [(number, reason)]
        while waiting:
            each, why = waiting.pop()
            if self.all[each].reason is None:
                self.all[each].reason = why
                for one, other, where in self.equal:
                    if each in (one, other):
                        tied = other if each == one else one
                        waiting.append((tied, f"is as wide as {self.all[number]} in {where}, which is fixed"))

    def tie(self, one: int, other: int, where: str) -> None:
        """Has two groups keep the same share."""
        if one != other and not any({one, other} == {a, b} for a, b, _ in self.equal):
            self.equal.append((one, other, where))

    def tied(self) -> list[list[Group]]:
        """The elastic groups, those that keep the same share together."""
        numbers = [group.number for group in self.elastic]
        label = {number: number for number in numbers}
        for one, other, _ in self.equal:
            if one in label and other in label:
                old, new = label[other], label[one]
                label = {number: new if mark == old else mark for number, mark in label.items()}
        found: dict[int, list[Group]] = {}
        for number in numbers:
            found.setdefault(label[number], []).append(self.all[number])
        return list(found.values())

    def lay_out(self, axes: Iterable[Axis]) -> None:
        """Reads off the layout of every axis; fixes groups whose units are in another order in one of them."""
        axes = list(axes)
        while True:
            units = {group.number: group.units for group in self.elastic}
            wrong: tuple[int, Axis] | None = None
            for axis in axes:
                layout = layout_of(*self._positions(axis), units)
                if isinstance(layout, int):
                    wrong = layout, axis
                    break
                self.layouts[axis.place, axis.dim] = layout
            if wrong is None:
                return
            self.fix(wrong[0], f"its channels are in another order in '{wrong[1].place}'")

    def _positions(self, axis: Axis) -> tuple[Ids, Ids]:
        """The group and the unit at each position, -1 where all architectures have it."""
        fixed = np.array([*(group.reason is not None for group in self.all), True])
        there = np.where(axis.ids >= 0, self.of_channel[np.maximum(axis.ids, 0)], -1)
        there = np.where(fixed[there], -1, there)
        return there, np.where(there >= 0, self.unit_of[np.maximum(axis.ids, 0)], 0)


def find_groups(graph: Graph) -> Groups:
    """The groups of what was followed; units of a group are numbered as in the tensor where they come first."""
    component = _components(graph, [])
    graph.axes |= _raw_axes(graph, component)
    component = _components(graph, [axis for axis in graph.axes.values() if axis.place in graph.raw])
    axes = list(graph.axes.values())
    signature = _signatures(graph, component, axes)
    groups = _numbered(component, signature, axes)
    for axis in axes:
        for number in np.unique(groups.of_channel[axis.ids[axis.ids >= 0]]).tolist():
            groups.all[number].axes.append(axis)
    _describe(graph, groups)
    _fix(graph, groups)
    groups.lay_out(axes)
    return groups


def _components(graph: Graph, raw: list[Axis]) -> Ids:
    """The unit of each channel: channels that any operation joins are one."""
    pairs = [np.stack([one, other]) for one, other, _ in graph.pairs]
    for axis in raw:
        labels = np.moveaxis(graph.raw[axis.place][0].ids.numpy(), axis.dim, 0).reshape(len(axis.ids), -1)
        pairs.append(np.stack([np.repeat(axis.ids, labels.shape[1]), labels.reshape(-1)])[:, :])
    rows, columns = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), np.int64)
    there = (rows >= 0) & (columns >= 0)
    links = coo_array(
        (np.ones(there.sum(), np.int8), (rows[there], columns[there])), shape=(max(1, graph.count), max(1, graph.count))
    )
    found: Ids = connected_components(links, directed=False)[1].astype(np.int64)
    return found


def _raw_axes(graph: Graph, component: Ids) -> dict[tuple[Place, int], Axis]:
    """The dimension of each parameter that is read as a tensor along which its elements met channels."""
    size = np.bincount(component) if len(component) else np.zeros(0, np.int64)
    found: dict[tuple[Place, int], Axis] = {}
    for place, (labels, reader) in graph.raw.items():
        ids = labels.ids.numpy()
        met = size[component[ids]] > 1
        for dim in range(ids.ndim):
            channel = _along(np.where(met, component[ids], -1), ids, dim)
            if channel is not None:
                found[place, dim] = Axis(place, dim, channel, (reader,))
                break
        else:
            if met.any():
                graph.fixed.append((ids[met], f"meets '{place}' along several dimensions"))
    return found


def _along(units: Ids, ids: Ids, dim: int) -> Ids | None:
    """A channel for each position of a dimension, if each has one unit and there are several."""
    rows = np.moveaxis(units, dim, 0).reshape(units.shape[dim], -1)
    members = np.moveaxis(ids, dim, 0).reshape(units.shape[dim], -1)
    most = rows.max(1)
    if len(np.unique(most)) < 2 or not ((rows == most[:, None]) | (rows < 0)).all():
        return None
    first: Ids = members[np.arange(len(rows)), rows.argmax(1)]
    return np.where(most >= 0, first, -1)


def _signatures(graph: Graph, component: Ids, axes: list[Axis]) -> npt.NDArray[np.uint64]:
    """For each unit a number that tells in which tensors it is and how often; equal where two play the same part."""
    draws = np.random.default_rng(0)
    count = int(component.max()) + 1 if len(component) else 0
    signature = np.zeros(count, np.uint64)
    for ids in (*(axis.ids for axis in axes), *graph.marks):
        np.add.at(signature, component[ids[ids >= 0]], draws.integers(1, 2**63, dtype=np.uint64))
    return signature


def _numbered(component: Ids, signature: npt.NDArray[np.uint64], axes: list[Axis]) -> Groups:
    group_of_unit = np.full(len(signature), -1, np.int64)
    place_of_unit = np.zeros(len(signature), np.int64)
    numbers: dict[int, int] = {}
    found: list[Group] = []
    for axis in axes:
        units = component[axis.ids[axis.ids >= 0]]
        for unit in units[group_of_unit[units] < 0].tolist():
            if group_of_unit[unit] < 0:
                number = numbers.setdefault(int(signature[unit]), len(found))
                if number == len(found):
                    found.append(Group(number, 0))
                group_of_unit[unit], place_of_unit[unit] = number, found[number].units
                found[number].units += 1
    return Groups(group_of_unit[component], place_of_unit[component], found)


def _describe(graph: Graph, groups: Groups) -> None:
    """Writes into each group what the graph says of its channels."""
    for one, _, why in graph.pairs:
        for group in _with(groups, one):
            if why not in group.couplings:
                group.couplings.append(why)
    for group in (group for ids in graph.heads for group in _with(groups, ids)):
        group.heads = True
    for group in (group for ids in graph.softened for group in _with(groups, ids)):
        group.softened = True
    for one, other, why in graph.equal:
        for first in _with(groups, one)[:1]:
            for second in _with(groups, other):
                groups.tie(first.number, second.number, why)


def _fix(graph: Graph, groups: Groups) -> None:
    """Fixes the groups that no architecture may lack a part of."""
    for group in groups.all:
        reason = next((graph.whole[axis.place] for axis in group.axes if axis.place in graph.whole), None)
        if reason is not None:
            groups.fix(group.number, reason)
        elif group.units == 1:
            groups.fix(group.number, "all its channels belong together")
    for ids, reason in graph.fixed:
        for group in _with(groups, ids):
            groups.fix(group.number, reason)
    for one, other, why in graph.equal:
        some, others = _with(groups, one), _with(groups, other)
        for group in (*some, *others) if not (some and others) else ():
            groups.fix(group.number, f"is as wide as what is fixed in {why}")


def _with(groups: Groups, ids: Ids) -> list[Group]:
    """The groups of channels."""
    numbers = groups.of_channel[ids[ids >= 0]]
    return [groups.all[number] for number in np.unique(numbers[numbers >= 0]).tolist()]
