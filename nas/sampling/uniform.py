"""Each choice drawn uniformly."""

from nas.space import Samplable
from nas.streams import Stream, rng
from nas.training import Context, Path

__all__ = ["Uniform", "random_paths"]


class Uniform:
    """Each choice drawn uniformly: single-path one-shot (Guo et al., 2020).

    Args:
        space: the search space, a part of it, or some of its architectures.
        seed: of the run.
        paths: how many per step; their gradients are summed.
    """

    def __init__(self, space: Samplable, seed: int, paths: int = 1) -> None:
        self.space, self.seed, self.paths = space, seed, paths

    def draw(self, context: Context) -> list[Path]:
        return random_paths(self.space, self.seed, context, self.paths)


def random_paths(space: Samplable, seed: int, context: Context, number: int) -> list[Path]:
    """So many architectures for a step, each choice drawn uniformly; the first of more are those of fewer."""
    draws = rng(seed, Stream.PATHS, context.step)
    return [Path(space.sample(draws), "random") for _ in range(number)]
