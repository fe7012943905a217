"""Which candidates should share weights? Partitions by the distances between them."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "GroupSizes",
    "Grouping",
    "balanced_partitions",
    "best_grouping",
    "count_partitions",
    "mean_between",
    "partitions",
]

GroupSizes = Literal["equal", "any"]
"""Whether numbers of candidates differ by one at most, or groups need only have some."""

Grouping = tuple[tuple[int, ...], ...]
"""Positions of candidates, those that belong together in one tuple."""


def balanced_partitions(count: int, groups: int) -> Iterator[Grouping]:
    """Every way to divide some candidates into groups whose sizes differ by one at most.

    Groups are ordered by their first position.

    Args:
        count: of candidates.
        groups: how many; no more than there are candidates.

    >>> list(balanced_partitions(3, 2))
    [((0, 1), (2,)), ((0, 2), (1,)), ((0,), (1, 2))]
    """
    small, larger = divmod(count, groups)
    return _partitions(tuple(range(count)), larger, groups - larger, small)


def partitions(count: int, groups: int) -> Iterator[Grouping]:
    """Every way to divide some candidates into groups of any size; groups are ordered by their first position.

    >>> list(partitions(3, 2))
    [((0, 2), (1,)), ((0,), (1, 2)), ((0, 1), (2,))]
    """
    if not count:
        if not groups:
            yield ()
        return
    last = count - 1
    for before in partitions(last, groups):
        for number, group in enumerate(before):
            yield (*before[:number], (*group, last), *before[number + 1 :])
    if groups:
        for before in partitions(last, groups - 1):
            yield (*before, (last,))


def count_partitions(count: int, groups: int, sizes: GroupSizes = "equal") -> int:
    """How many :func:`balanced_partitions`, or :func:`partitions`, there are.

    >>> count_partitions(5, 2), count_partitions(5, 2, "any")
    (10, 15)
    """
    if sizes == "any":
        signs = [1 if (groups - kept) % 2 == 0 else -1 for kept in range(groups + 1)]
        ordered: int = sum(sign * math.comb(groups, kept) * kept**count for kept, sign in enumerate(signs))
        return ordered // math.factorial(groups)
    small, larger = divmod(count, groups)
    exact = [small + 1] * larger + [small] * (groups - larger)
    alike = math.factorial(larger) * math.factorial(groups - larger)
    return math.factorial(count) // (math.prod(map(math.factorial, exact)) * alike)


def best_grouping(distances: npt.NDArray[np.float64], groups: int, sizes: GroupSizes = "equal") -> Grouping:
    """The partition whose groups are farthest apart on average; the first of equals.

    Among groups of equal size it has the smallest sum of distances within them.

    Args:
        distances: ``[k, k]``, symmetric with a diagonal of zeros.
        groups: how many, or as many as there are candidates if these are fewer.
        sizes: of the groups.
    """
    divide = balanced_partitions if sizes == "equal" else partitions
    return max(
        divide(len(distances), min(groups, len(distances))), key=lambda partition: mean_between(distances, partition)
    )


def mean_between(distances: npt.NDArray[np.float64], partition: Sequence[Sequence[int]]) -> float:
    """The mean distance between candidates of different groups; zero for a single group."""
    total = float(distances.sum()) / 2
    pairs = math.comb(len(distances), 2) - sum(math.comb(len(group), 2) for group in partition)
    return (total - _within(distances, partition)) / pairs if pairs else 0.0


def _within(distances: npt.NDArray[np.float64], partition: Sequence[Sequence[int]]) -> float:
    return sum(float(distances[a, b]) for group in partition for a, b in combinations(group, 2))


def _partitions(rest: tuple[int, ...], larger: int, smaller: int, small: int) -> Iterator[Grouping]:
    """Divides the positions into ``larger`` groups of ``small + 1`` and ``smaller`` groups of ``small``."""
    if not rest:
        yield ()
        return
    for is_larger in (True, False):
        if not (larger if is_larger else smaller):
            continue
        for others in combinations(rest[1:], small if is_larger else small - 1):
            left = tuple(position for position in rest[1:] if position not in others)
            for following in _partitions(left, larger - is_larger, smaller - (not is_larger), small):
                yield ((rest[0], *others), *following)
