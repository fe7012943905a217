"""How the positions along a dimension are made of groups of channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.space import concatenate

__all__ = ["Layout", "Part", "layout_of"]

Ids = npt.NDArray[np.int64]


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
            if part.group is None or part.group not in widths:
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


def layout_of(groups: Ids, places: Ids, units: Mapping[int, int]) -> "Layout | int":
    """The layout of positions; the number of a group that is not in order there.

    Args:
        groups: the group at each position, -1 for none.
        places: the unit of the group.
        units: how many each group has.
    """
    changes = np.flatnonzero((np.diff(groups) != 0) | (np.diff(places) != 0)) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(np.concatenate([starts, [len(groups)]]))
    parts: list[Part] = []
    run = 0
    while run < len(starts):
        group, length = int(groups[starts[run]]), int(lengths[run])
        if group < 0:
            parts.append(Part(None, length))
            run += 1
            continue
        stretch = slice(run, run + units[group])
        whole = len(starts[stretch]) == units[group] and (lengths[stretch] == length).all()
        if (
            not whole
            or (groups[starts[stretch]] != group).any()
            or (np.diff(places[starts[stretch]], prepend=-1) != 1).any()
        ):
            return group
        parts.append(Part(group, length, units[group]))
        run += units[group]
    return Layout(tuple(parts))
