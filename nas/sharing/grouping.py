"""Which candidates should share weights? Partitions by the distances between them."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

__all__ = ["Grouping", "balanced_partitions", "best_grouping", "count_partitions", "mean_between"]

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


def count_partitions(count: int, groups: int) -> int:
    """How many partitions :func:`balanced_partitions` gives.

    >>> count_partitions(5, 2)
    10
    """
    small, larger = divmod(count, groups)
    sizes = [small + 1] * larger + [small] * (groups - larger)
    alike = math.factorial(larger) * math.factorial(groups - larger)
    return math.factorial(count) // (math.prod(map(math.factorial, sizes)) * alike)


def best_grouping(distances: npt.NDArray[np.float64], groups: int) -> Grouping:
    """The balanced partition with the smallest sum of distances within its groups; the first of equals.

    Args:
        distances: ``[k, k]``, symmetric with a diagonal of zeros.
        groups: how many, or as many as there are candidates if these are fewer.
    """
    partitions = balanced_partitions(len(distances), min(groups, len(distances)))
    return min(partitions, key=lambda partition: _within(distances, partition))


def mean_between(distances: npt.NDArray[np.float64], partition: Sequence[Sequence[int]]) -> float:
    """The mean distance between candidates of different groups; zero for a single group."""
    total = float(np.triu(distances, 1).sum())
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
