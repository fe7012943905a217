"""How the positions along a dimension are made of groups of channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nas.space import concatenate

__all__ = ["Layout", "Part", "layout_of"]


@dataclass(frozen=True)
class Part:
    """Consecutive positions.

    Attributes:
        group: number of the group whose units follow each other there; None for positions that all architectures have.
        size: positions of a unit; without a group, of all.
        units: of the group.
    """

    group: int | None
    size: int
    units: int = 1


@dataclass(frozen=True)
class Layout:
    """Parts, one behind the other. A narrower network has the leading units of each group."""

    parts: tuple[Part, ...]

    @property
    def groups(self) -> list[int]:
        return list(dict.fromkeys(part.group for part in self.parts if part.group is not None))

    def count(self, kept: Mapping[int, int]) -> int:
        """The size when of each group so many units are kept; all where it is not named."""
        return sum(part.size * _kept(part, kept) for part in self.parts)

    def positions(self, kept: Mapping[int, int]) -> list[int]:
        """The positions that are kept."""
        found: list[int] = []
        start = 0
        for part in self.parts:
            found += range(start, start + part.size * _kept(part, kept))
            start += part.size * part.units
        return found

    def moved(self, orders: Mapping[int, Sequence[int]]) -> list[int]:
        """The positions in the order that the groups' units get."""
        found: list[int] = []
        start = 0
        for part in self.parts:
            order = orders.get(part.group, range(part.units)) if part.group is not None else range(part.units)
            found += [start + unit * part.size + inner for unit in order for inner in range(part.size)]
            start += part.size * part.units
        return found

    def scaled(self, factor: int, divisor: int) -> "Layout | None":
        """The layout with every part ``factor / divisor`` times as long; None where that is no whole number."""
        if any(part.size * factor % divisor for part in self.parts):
            return None
        return Layout(tuple(Part(part.group, part.size * factor // divisor, part.units) for part in self.parts))

    def expression(self, widths: Mapping[int, tuple[Any, int]]) -> Any:
        """The size as an expression; a group has a choice and how many units one of its candidates counts for.

        Args:
            widths: group → a choice, and the number of which its value is a multiple for each unit.
        """
        values = []
        for part in self.parts:
            if part.group not in widths:
                values.append(part.size * part.units)
                continue
            choice, each = widths[part.group]
            if part.size == each:
                values.append(choice)
            elif part.size % each == 0:
                values.append(choice * (part.size // each))
            else:
                values.append(choice // each * part.size)
        return values[0] if len(values) == 1 else concatenate(*values)


def _kept(part: Part, kept: Mapping[int, int]) -> int:
    return part.units if part.group is None else kept.get(part.group, part.units)


def layout_of(positions: Sequence[tuple[int | None, int]], units: Mapping[int, int]) -> "Layout | int":
    """The layout of positions, each given as group and unit; the number of a group that is not in order there."""
    runs = [(group, unit, len(list(run))) for (group, unit), run in groupby(positions, key=_key)]
    parts: list[Part] = []
    place = 0
    while place < len(runs):
        group, _, length = runs[place]
        if group is None:
            parts.append(Part(None, length))
            place += 1
            continue
        stretch = runs[place : place + units[group]]
        if stretch != [(group, unit, length) for unit in range(units[group])]:
            return group
        parts.append(Part(group, length, units[group]))
        place += units[group]
    return Layout(tuple(parts))


def _key(position: tuple[int | None, int]) -> tuple[int | None, int]:
    return (position[0], position[1] if position[0] is not None else 0)
