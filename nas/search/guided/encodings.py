"""Architectures of a space as rows of numbers, for what learns from them."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nas.parts import Slot
from nas.space import Space

__all__ = ["ENCODINGS", "Columns", "Encode", "Rows", "one_hot", "one_hot_inactive", "ordinal"]

Rows = NDArray[np.integer]
"""Architectures as :meth:`nas.space.Space.indices` gives them: ``[n, choices]``, -1 where a choice is inactive."""

Columns = NDArray[np.float64]
"""What is learnt from: ``[n, columns]``."""

Encode = Callable[[Rows], Columns]

ENCODINGS: Slot[Callable[[Space], Encode]] = Slot(
    "encoding",
    "nas.encodings",
    {
        "one-hot": "nas.search.guided.encodings:one_hot",
        "one-hot-inactive": "nas.search.guided.encodings:one_hot_inactive",
        "ordinal": "nas.search.guided.encodings:ordinal",
        "path": "nas.search.guided.path_encoding:paths",
    },
    callable,
    "a function that takes a space and returns a function of index rows",
)


def one_hot(space: Space) -> Encode:
    """A column for each candidate of each choice; all zero where the choice is inactive.

    Of a cell with a choice for each edge this is the adjacency encoding of White et al. (2020).

    >>> one_hot(Space({"kernel": [3, 5], "depth": [1, 2]}))(np.array([[1, 0]])).tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    """
    return lambda rows: space.one_hot(rows).astype(np.float64)


def one_hot_inactive(space: Space) -> Encode:
    """As :func:`one_hot`, and before the candidates of a choice that may be inactive a column that says that it is.

    >>> from nas.space import Condition
    >>> space = Space({"depth": [1, 2], "kernel": [3, 5]}, {"kernel": [(Condition(("depth",), frozenset({(1,)})),)]})
    >>> one_hot_inactive(space)(np.array([[0, -1], [1, 0]])).tolist()
    [[1.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0, 0.0]]
    """
    places = [
        np.arange(0 if () in space.uses[name] else -1, len(candidates)) for name, candidates in space.choices.items()
    ]
    return lambda rows: np.hstack([rows[:, [column]] == each for column, each in enumerate(places)], dtype=np.float64)


def ordinal(space: Space) -> Encode:
    """A column for each choice: 0 for the smallest candidate to 1 for the largest, -1 where it is inactive.

    >>> ordinal(Space({"kernel": [7, 3, 5]}))(np.array([[0], [2], [-1]])).tolist()
    [[1.0], [0.5], [-1.0]]
    """
    places = [
        np.append(np.argsort(space.order[name]) / max(1, len(candidates) - 1), -1.0)
        for name, candidates in space.choices.items()
    ]
    return lambda rows: np.stack([place[column] for place, column in zip(places, rows.T, strict=True)], axis=1)
