"""What can be taken away from a network: weights that one choice less leaves unused."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from nas.nn.channel_ranges import Ranges, Region
from nas.space import Architecture
from nas.supernet import Supernet

__all__ = ["Removal", "next_removal", "removals"]

Regions = dict[nn.Parameter, list[Region]]


@dataclass(frozen=True, eq=False)
class Removal:
    """One choice made smaller: a width, a kernel, a number of heads or blocks, or a layer that becomes the identity.

    Attributes:
        choice: its name.
        architecture: that is left.
        kept: of each parameter of which something is removed the regions that stay in use.
    """

    choice: str
    architecture: Architecture
    kept: Regions


def removals(supernet: Supernet, architecture: Architecture, bank: int | None = None) -> list[Removal]:
    """For each choice the next smaller candidate that uses a part of the weights in use, and no others.

    There is none for a choice between modules with weights of their own, nor for one that no weight depends on, such as
    the size of images.

    Args:
        bank: whose weights the architecture sees; by default the sharing scheme says.
    """
    used = _regions(supernet, architecture, bank)
    found = (_smaller(supernet, architecture, name, bank, used) for name in architecture)
    return [each for each in found if each is not None]


def next_removal(supernet: Supernet, architecture: Architecture, name: str, bank: int | None = None) -> Removal | None:
    """That of one choice; None if there is none. Arguments as for :func:`removals`."""
    return _smaller(supernet, architecture, name, bank, _regions(supernet, architecture, bank))


def _smaller(
    supernet: Supernet, architecture: Architecture, name: str, bank: int | None, used: Regions
) -> Removal | None:
    space = supernet.space
    candidates = [space.choices[name][index] for index in space.order[name]]
    for position in reversed(range(candidates.index(architecture[name]))):
        smaller = space.complete({**architecture, name: candidates[position]})
        kept = _regions(supernet, smaller, bank)
        if all(map(_is_inside, kept.values(), (used.get(each, []) for each in kept))):
            changed = {each: kept.get(each, []) for each, regions in used.items() if kept.get(each) != regions}
            return Removal(name, smaller, changed) if changed else None
    return None


def _regions(supernet: Supernet, architecture: Architecture, bank: int | None) -> Regions:
    supernet.activate(architecture, bank)
    found: Regions = {}
    for parameter, region in supernet.active_regions():
        found.setdefault(parameter, []).append(region)
    return found


def _is_inside(regions: Sequence[Region], within: Sequence[Region]) -> bool:
    return all(any(_is_part(region, whole) for whole in within) for region in regions)


def _is_part(region: Region, whole: Region) -> bool:
    """Whether a region is in another; a dimension that is not named is all of it."""
    return all(
        outer is None or (inner is not None and all(any(_covers(one, each) for one in outer) for each in inner))
        for inner, outer in _by_dimension(region, whole)
    )


def _covers(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    return inner[0] == inner[1] or (outer[0] <= inner[0] and inner[1] <= outer[1])


def _by_dimension(region: Region, whole: Region) -> Iterator[tuple[Ranges | None, Ranges | None]]:
    for dim in range(max(len(region), len(whole))):
        yield region[dim] if dim < len(region) else None, whole[dim] if dim < len(whole) else None
