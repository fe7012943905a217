"""Pareto fronts, ranks, crowding and hypervolume. All objectives are minimised and finite.

Ranks and crowding are those of NSGA-II (Deb et al., 2002).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas.errors import UsageError

__all__ = ["constrained_order", "crowding_distance", "hypervolume", "nondominated_ranks", "pareto_front"]

Floats = npt.NDArray[np.float64]


def pareto_front(points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which points ``[n, m]`` are not dominated by another; of equal points only the first is on the front.

    Raises:
        UsageError: the points are no matrix, or not finite.

    >>> pareto_front([[1, 2], [2, 1], [2, 2], [1, 2]]).tolist()
    [True, True, False, False]
    """
    matrix = _matrix(points)
    front = np.zeros(len(matrix), dtype=bool)
    remaining = np.lexsort(matrix.T[::-1]) if matrix.size else np.arange(0)
    while remaining.size:
        best = remaining[0]
        front[best] = True
        remaining = remaining[(matrix[remaining] < matrix[best]).any(axis=1)]
    return front


def nondominated_ranks(points: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Rank ``[n]`` of each point: 0 on the front, 1 on the front of the others, and so on; of equal points the same."""
    distinct, where = np.unique(_matrix(points), axis=0, return_inverse=True)
    ranks = np.full(len(distinct), -1)
    rank = 0
    while (left := np.flatnonzero(ranks < 0)).size:
        ranks[left[pareto_front(distinct[left])]] = rank
        rank += 1
    return ranks[where.reshape(-1)]


def crowding_distance(points: npt.ArrayLike) -> Floats:
    """Distance ``[n]`` between the neighbours of each point of one front, summed over the scaled objectives.

    Infinite for the extreme points of an objective; an objective in which all points are equal adds nothing.
    """
    matrix = _matrix(points)
    distance = np.zeros(len(matrix))
    for values in matrix.T:
        order = np.argsort(values, kind="stable")
        span = float(np.ptp(values)) if len(values) else 0.0
        if span > 0:
            distance[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / span
            distance[order[[0, -1]]] = np.inf
    return distance


def constrained_order(points: npt.ArrayLike, violations: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Positions ``[n]`` from best to worst by the constrained domination of Deb et al. (2002).

    Feasible points come first, by rank and then from the least crowded; then the others by violation. Ties keep
    their order.

    Args:
        points: ``[n, m]``; rows with a violation are ignored.
        violations: ``[n]``, 0 where feasible.
    """
    violation = np.asarray(violations, dtype=float)
    feasible = np.flatnonzero(violation <= 0)
    rank, crowding = np.zeros(len(violation)), np.zeros(len(violation))
    if feasible.size:
        matrix = np.asarray(points, dtype=float)[feasible]
        rank[feasible] = ranks = nondominated_ranks(matrix)
        for level in range(int(ranks.max()) + 1):
            crowding[feasible[ranks == level]] = crowding_distance(matrix[ranks == level])
    return np.lexsort((-crowding, rank, violation))


def hypervolume(points: npt.ArrayLike, reference: Sequence[float] | Floats) -> float:
    """The exact volume that the points dominate within the reference point; points beyond it add nothing.

    Objectives are sliced one after another (HSO; While et al., 2006): O(n log n) for two, a factor n for each more.

    >>> hypervolume([[1, 2], [2, 1]], [3, 3])
    3.0
    """
    matrix, corner = _matrix(points), np.asarray(reference, dtype=float)
    if corner.shape != matrix.shape[1:]:
        raise UsageError(f"reference has shape {corner.shape}, expected {matrix.shape[1:]}, an entry an objective.")
    inside = matrix[(matrix < corner).all(axis=1)]
    return _volume(inside[pareto_front(inside)], corner)


def _volume(front: Floats, corner: Floats) -> float:
    front = front[np.argsort(front[:, -1], kind="stable")]
    if front.shape[1] == 1 or len(front) == 0:
        return float(corner[0] - front[0, 0]) if len(front) else 0.0
    heights = np.diff(np.append(front[:, -1], corner[-1]))
    if front.shape[1] == 2:
        return float(np.sum(heights * (corner[0] - np.minimum.accumulate(front[:, 0]))))
    slices = [front[: stop + 1, :-1] for stop in range(len(front))]
    return sum(
        float(height) * _volume(part[pareto_front(part)], corner[:-1])
        for part, height in zip(slices, heights, strict=True)
        if height > 0
    )


def _matrix(points: npt.ArrayLike) -> Floats:
    matrix = np.asarray(points, dtype=float)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise UsageError(f"points have shape {matrix.shape}, expected finite numbers of shape [n, objectives].")
    return matrix
