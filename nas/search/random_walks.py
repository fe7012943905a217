"""Architectures that satisfy the constraints and use most of what these allow."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from nas.search.constraints import Constraint
from nas.search.pool import MetricFunction, metrics_of
from nas.space import Architecture, ArchitectureSet, Space
from nas.streams import Stream, rng

__all__ = ["near_bounds"]

_ROUNDS = 60
_WALKERS, _FEWEST_WALKERS, _STEPS_OF_FEW = 128, 4, 8
_RATE = 0.1


def near_bounds(
    space: Space,
    constraints: Sequence[Constraint],
    costs: MetricFunction,
    seed: int,
    count: int = 256,
    least: float = 0.8,
    most: int = sys.maxsize,
) -> ArchitectureSet | None:
    """Random architectures that take between a least share and all of what some upper bound on a cost allows.

    Where the best network within a bound is wanted, it is nearly always one of these, and a supernet that trains them
    alone trains nothing that cannot win. Random walks look for them: each begins at a random architecture and changes
    choices as long as that does not lead away.

    Args:
        constraints: with absolute bounds, all on ``costs``.
        costs: of architectures.
        count: how many are enough.
        least: the share.
        most: how many architectures the costs may be asked of, some more at first; where that is slow, fewer are found.

    Returns:
        Them from the smallest to the largest; those that satisfy the constraints far from any bound where few are near
        one. None where no cost is bounded from above, or none satisfies all constraints.
    """
    upper = [each for each in constraints if each.operator in ("<=", "<") and each.bound > 0]
    if not upper:
        return None
    draws = rng(seed, Stream.NEAR_BOUNDS)
    together = min(_WALKERS, count, max(_FEWEST_WALKERS, most // _STEPS_OF_FEW))
    walkers = [space.sample(draws) for _ in range(together)]
    places = _places(constraints, upper, least, costs, walkers)
    found: dict[Architecture, float] = {}
    for asked in range(together, together * (_ROUNDS + 1), together):
        arrived = [place.distance == 0 for place in places]
        found |= {each: place.use for each, place in zip(walkers, places, strict=True) if place.distance == 0}
        if len(found) >= count or asked + together > most:
            break
        tried = [
            space.sample(draws) if there else space.mutate(each, draws, _RATE)
            for each, there in zip(walkers, arrived, strict=True)
        ]
        new = _places(constraints, upper, least, costs, tried)
        for index, there in enumerate(arrived):
            if there or new[index].distance <= places[index].distance:
                walkers[index], places[index] = tried[index], new[index]
    if len(found) < count:
        found |= {each: place.use for each, place in zip(walkers, places, strict=True) if place.violation == 0}
    kept = sorted(found, key=lambda each: (found[each], each.key))
    return ArchitectureSet(kept) if kept else None


class _Place(NamedTuple):
    """Where an architecture is.

    Attributes:
        violation: by how much it violates the constraints.
        distance: the same, and how far it is from using enough of some bound.
        use: the largest share of a bound that it takes.
    """

    violation: float
    distance: float
    use: float


def _places(
    constraints: Sequence[Constraint],
    upper: Sequence[Constraint],
    least: float,
    costs: MetricFunction,
    found: list[Architecture],
) -> list[_Place]:
    lower = [replace(each, operator=">=", bound=least * each.bound) for each in upper]
    return [_place(constraints, upper, lower, row) for row in metrics_of(costs, found, "costs")]


def _place(
    constraints: Sequence[Constraint],
    upper: Sequence[Constraint],
    lower: Sequence[Constraint],
    row: Mapping[str, float],
) -> _Place:
    violation = sum(each.violation(row) for each in constraints)
    unused = min(each.violation(row) for each in lower)
    return _Place(violation, violation + unused, max(row[each.metric] / each.bound for each in upper))
