"""Nested subnets at random, and now and then the whole."""

from nas.errors import UsageError
from nas.sampling.uniform import random_paths
from nas.space import Samplable
from nas.training import Context, Path

__all__ = ["Nested"]


class Nested:
    """Random subnets whose gradients are summed, and in some steps the largest in place of one of them (SortedNet,
    Valipour et al., 2023).

    Each choice is drawn uniformly: where all are sizes, a subnet that is nowhere larger than another uses a part of its
    weights. As published every subnet has a batch of its own; here those of a step share one, whose cost is the same.

    Args:
        space: the search space, a part of it, or some of its architectures.
        seed: of the run.
        paths: subnets in each step.
        main_every: steps from one with the largest, the main model, to the next; it is the first path of those.

    Raises:
        UsageError: ``paths`` or ``main_every`` is below one.
    """

    def __init__(self, space: Samplable, seed: int, paths: int = 4, main_every: int = 2) -> None:
        if min(paths, main_every) < 1:
            raise UsageError(f"Nested got paths={paths} and main_every={main_every}; both must be 1 or more.")
        self.space, self.seed, self.paths, self.main_every = space, seed, paths, main_every
        self._largest = Path(space.largest(), "largest")

    def draw(self, context: Context) -> list[Path]:
        main = [] if context.step % self.main_every else [self._largest]
        return [*main, *random_paths(self.space, self.seed, context, self.paths - len(main))]
