"""How good results are beside each other, whatever the scale of objectives and constraints."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.search.pareto import constrained_order
from nas.search.strategy import Result

__all__ = ["best_first", "standings"]


def best_first(results: Sequence[Result]) -> NDArray[np.int64]:
    """Positions ``[n]`` from the best result to the worst.

    Feasible ones by Pareto rank, then by crowding; the others by violation (Deb et al., 2002).
    """
    objectives = max((len(each.objectives) for each in results if each.objectives), default=1)
    points = [each.objectives or (0.0,) * objectives for each in results]
    return constrained_order(points, [each.violation for each in results])


def standings(results: Sequence[Result]) -> NDArray[np.float64]:
    """The share of results ``[n]`` that each is ahead of, between 0 and 1, counting half of itself.

    >>> from nas.space import Architecture
    >>> known = [Result(Architecture({"kernel": 3}), {}, (value,), 0.0) for value in (0.3, 0.1)]
    >>> standings(known).tolist()
    [0.25, 0.75]
    """
    shares = np.empty(len(results))
    shares[best_first(results)] = 1 - (np.arange(len(results)) + 0.5) / max(1, len(results))
    return shares
