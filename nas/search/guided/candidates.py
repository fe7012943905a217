"""Architectures that a surrogate ranks: all of a small space, else random ones and mutations of the best."""

from collections.abc import Sequence

import numpy as np

from nas.search.guided.encodings import Rows
from nas.space import Architecture, Space
from nas.space.condition import assignments

__all__ = ["Candidates", "all_rows"]

_SMALL = 20_000


class Candidates:
    """What a surrogate may propose.

    Half of those of a large space are drawn at random, the others are mutations of the best known ones, a few choices
    at a time (as in BANANAS; White et al., 2021).

    Args:
        pool: how many, in a space of more than 20,000 architectures.
    """

    def __init__(self, space: Space, pool: int) -> None:
        self._space, self._pool = space, pool
        self._all = all_rows(space) if space.size <= _SMALL else None

    def __call__(self, best: Sequence[Architecture], rng: np.random.Generator) -> Rows:
        """Index rows ``[candidates, choices]``, among them such that are known.

        Args:
            best: known ones, the best first.
        """
        if self._all is not None:
            return self._all
        mutations = self._pool // 2 if best else 0
        found = [self._space.sample(rng) for _ in range(self._pool - mutations)]
        found += [self._space.mutate(best[number % len(best)], rng) for number in range(mutations)]
        return self._space.indices(found)


def all_rows(space: Space) -> Rows:
    """Index rows of every architecture.

    >>> all_rows(Space({"kernel": [3, 5], "depth": [1, 2]})).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    sizes = {name: len(candidates) for name, candidates in space.choices.items()}
    rows = [[chosen.get(name, -1) for name in sizes] for chosen in assignments(sizes, space.uses)]
    return np.array(rows, dtype=np.int32).reshape(len(rows), len(sizes))
