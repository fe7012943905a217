"""The sandwich rule."""

from nas.sampling.uniform import random_paths
from nas.space import Samplable
from nas.training import Context, Path

__all__ = ["Sandwich"]


class Sandwich:
    """The largest, some random and the smallest architecture in every step (Yu and Huang, 2019; BigNAS, 2020).

    The largest runs first, so that the others can learn from it.

    Args:
        space: the search space, a part of it, or some of its architectures.
        random: number of random architectures between the two.
    """

    def __init__(self, space: Samplable, seed: int, random: int = 2) -> None:
        self.space, self.seed, self.random = space, seed, random
        self._largest, self._smallest = Path(space.largest(), "largest"), Path(space.smallest(), "smallest")

    def draw(self, context: Context) -> list[Path]:
        return [self._largest, *random_paths(self.space, self.seed, context, self.random), self._smallest]
