"""Every candidate of a choice equally often."""

import math

import numpy as np
import numpy.typing as npt

from nas.space import Space
from nas.streams import Stream, rng
from nas.training import Context, Path

__all__ = ["Fair"]


class Fair:
    """Every candidate of a choice equally often within a round (FairNAS, Chu et al., 2021).

    A round has as many paths as the least common multiple of the numbers of candidates. Where all choices have k
    candidates and a step has k paths, each step is a round and trains every candidate once, as published. Choices
    that are inactive in a path are dropped from it.

    Args:
        paths: how many per step; by default the largest number of candidates.
    """

    def __init__(self, space: Space, seed: int, paths: int | None = None) -> None:
        sizes = [len(candidates) for candidates in space.choices.values()]
        self.space, self.seed, self.paths = space, seed, paths or max(sizes)
        self.round_length = math.lcm(*sizes)
        self._round: tuple[int, npt.NDArray[np.int64]] = (0, self._shuffle_round(0))

    def draw(self, context: Context) -> list[Path]:
        return [self._path(context.step * self.paths + offset) for offset in range(self.paths)]

    def _path(self, position: int) -> Path:
        number, row = divmod(position, self.round_length)
        if self._round[0] != number:
            self._round = (number, self._shuffle_round(number))
        return Path(self.space.from_indices(self._round[1][row : row + 1])[0], "random")

    def _shuffle_round(self, number: int) -> npt.NDArray[np.int64]:
        """Index matrix ``[round length, choices]`` whose columns hold each candidate equally often."""
        draws = rng(self.seed, Stream.FAIR_ROUNDS, number)
        sizes = (len(candidates) for candidates in self.space.choices.values())
        return np.stack([draws.permutation(np.arange(self.round_length) % size) for size in sizes], axis=1)
