"""Gradient-boosted symmetric trees: small tables of numbers that are stored as they are and evaluated in bulk.

All nodes of one level ask the same question, so a tree is `depth` questions and ``2 ** depth`` values
(the trees of CatBoost, Prokhorenkova et al. 2018), and a million rows take a second.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.predictors.samples import Array

__all__ = ["BoostedTrees", "fit_trees"]


@dataclass(frozen=True)
class BoostedTrees:
    """A sum of symmetric trees.

    `features` and `thresholds` ``[q]`` are the questions "is the feature above the threshold?", `asked`
    ``[trees, depth]`` says which of them a tree asks, and `leaves` ``[trees, 2 ** depth]`` what it answers.
    """

    base: float
    features: NDArray[np.int64]
    thresholds: Array
    asked: NDArray[np.int64]
    leaves: Array

    def predict(self, X: Array) -> Array:  # noqa: N803
        """Values ``[n]`` of feature rows ``[n, d]``."""
        values = np.full(len(X), self.base)
        above = np.ascontiguousarray((X[:, self.features] > self.thresholds).T).view(np.uint8)
        for questions, leaves in zip(self.asked, self.leaves, strict=True):
            values += leaves[_leaf(above[questions])]
        return values

    def state(self) -> dict[str, Any]:
        """The trees as plain JSON values."""
        return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(self).items()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "BoostedTrees":
        """What `state` gave; KeyError, TypeError or ValueError if the values do not fit together."""
        trees = cls(
            base=float(state["base"]),
            features=np.asarray(state["features"], dtype=np.int64),
            thresholds=np.asarray(state["thresholds"], dtype=np.float64),
            asked=np.asarray(state["asked"], dtype=np.int64),
            leaves=np.asarray(state["leaves"], dtype=np.float64),
        )
        if trees.leaves.shape != (len(trees.asked), 2 ** trees.asked.shape[1]):
            raise ValueError(f"leaves of shape {trees.leaves.shape} for questions of shape {trees.asked.shape}")
        return trees


def fit_trees(
    X: Array,  # noqa: N803
    y: Array,
    trees: int = 150,
    depth: int = 4,
    rate: float = 0.1,
    shrinkage: float = 1.0,
) -> BoostedTrees:
    """Boosts squared error on features ``[n, d]`` and values ``[n]``; the same samples give the same trees.

    `rate` scales each tree's answer, `shrinkage` is the ridge penalty on a leaf's value.
    """
    features, thresholds = _questions(X)
    above = (X[:, features] > thresholds).astype(np.float32)
    residuals = (y - y.mean()).astype(np.float32)
    asked = np.zeros((trees, depth if len(features) else 0), dtype=np.int64)
    leaves = np.zeros((trees, 2 ** asked.shape[1]))
    for index in range(trees):
        leaf = np.zeros(len(y), dtype=np.int64)
        for level in range(asked.shape[1]):
            members = (leaf == np.arange(2**level)[:, None]).astype(np.float32)
            asked[index, level] = _best_question(members, residuals, above, shrinkage)
            leaf = leaf * 2 + (above[:, asked[index, level]] > 0)
        sums = np.bincount(leaf, residuals, leaves.shape[1])
        leaves[index] = rate * sums / (np.bincount(leaf, minlength=leaves.shape[1]) + shrinkage)
        residuals -= leaves[index, leaf].astype(np.float32)
    return BoostedTrees(float(y.mean()), features, thresholds, asked, leaves)


def _best_question(
    members: NDArray[np.float32], residuals: NDArray[np.float32], above: NDArray[np.float32], shrinkage: float
) -> int:
    """The question that lowers the squared error most when every leaf ``[leaves, n]`` asks it."""
    weighted = members * residuals
    sums, counts = weighted @ above, members @ above
    rest, others = weighted.sum(1, keepdims=True) - sums, members.sum(1, keepdims=True) - counts
    gains = sums**2 / (counts + shrinkage) + rest**2 / (others + shrinkage)
    return int(gains.sum(0).argmax())


def _questions(X: Array, most: int = 16) -> tuple[NDArray[np.int64], Array]:  # noqa: N803
    """At most `most` thresholds a column, midway between neighbouring values, as (columns, thresholds)."""
    columns: list[int] = []
    thresholds: list[float] = []
    for column, values in enumerate(X.T):
        seen = np.unique(values)
        middles = (seen[1:] + seen[:-1]) / 2
        if len(middles) > most:
            middles = np.unique(np.quantile(middles, (np.arange(most) + 0.5) / most, method="nearest"))
        columns += [column] * len(middles)
        thresholds += middles.tolist()
    return np.asarray(columns, dtype=np.int64), np.asarray(thresholds, dtype=np.float64)


def _leaf(answers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Which leaf rows fall into, from their answers ``[depth, n]``."""
    leaf = np.zeros(answers.shape[1], dtype=np.uint8)
    for answer in answers:
        leaf = leaf * 2 + answer
    return leaf
