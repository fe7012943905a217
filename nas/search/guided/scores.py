"""One number for each result, whatever the scale of its objectives and however many there are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.search.pareto import constrained_order
from nas.search.strategy import Result

__all__ = ["normal_scores", "selection_scores"]


def normal_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Standard normal numbers ``[n]`` in the order of the values ``[n]`` (a Gaussian copula).

    A few networks that fail to learn then do not outweigh the differences between the good ones.

    >>> normal_scores([9.0, 0.1, 5e9]).round(2).tolist()
    [0.0, -0.97, 0.97]
    """
    from scipy.stats import norm, rankdata

    ranks = rankdata(values)
    scores: NDArray[np.float64] = norm.ppf((ranks - 0.5) / len(ranks))
    return scores


def selection_scores(results: Sequence[Result]) -> NDArray[np.float64]:
    """Normal scores ``[n]`` of evaluated results, the lower the better.

    Of several objectives the order is by Pareto rank, then by crowding, as for evolution.
    """
    objectives = np.array([result.objectives for result in results], dtype=float).reshape(len(results), -1)
    if objectives.shape[1] == 1:
        return normal_scores(objectives[:, 0])
    return normal_scores(np.argsort(constrained_order(objectives, np.zeros(len(objectives)))))
