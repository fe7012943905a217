"""Which architectures does this step train?

The samplers here are pure functions of the step: the same step gives the same paths on every process and after every
restart, whatever happened before. One that is a :class:`~nas.training.Listener` too may learn on the way, and keeps in
its state what it has learnt.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nas.space import Space, Subspace
from nas.streams import Stream, rng
from nas.training.context import Context, Path

__all__ = ["Fair", "PathSampler", "Sandwich", "Uniform"]


class PathSampler(Protocol):
    """Answers "which architectures now?".

    One of your own draws from ``nas.rng(seed, nas.Stream.OWN, number, step)``, which nothing else in a run does.
    """

    def draw(self, context: Context) -> Sequence[Path]:
        """The paths of one optimizer step, in the order in which they run."""


class Uniform:
    """Each choice drawn uniformly: single-path one-shot (Guo et al., 2020).

    Args:
        space: the search space, or a part of it.
        seed: of the run.
        paths: how many per step; their gradients are summed.
    """

    def __init__(self, space: Space | Subspace, seed: int, paths: int = 1) -> None:
        self.space, self.seed, self.paths = space, seed, paths

    def draw(self, context: Context) -> list[Path]:
        draws = rng(self.seed, Stream.PATHS, context.step)
        return [Path(self.space.sample(draws), "random") for _ in range(self.paths)]


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


class Sandwich:
    """The largest, some random and the smallest architecture in every step (Yu and Huang, 2019; BigNAS, 2020).

    The largest runs first, so that the others can learn from it.

    Args:
        space: the search space, or a part of it.
        random: number of random architectures between the two.
    """

    def __init__(self, space: Space | Subspace, seed: int, random: int = 2) -> None:
        self.space, self.seed, self.random = space, seed, random
        self._largest, self._smallest = Path(space.largest(), "largest"), Path(space.smallest(), "smallest")

    def draw(self, context: Context) -> list[Path]:
        draws = rng(self.seed, Stream.PATHS, context.step)
        middle = [Path(self.space.sample(draws), "random") for _ in range(self.random)]
        return [self._largest, *middle, self._smallest]
