"""Paths of one level of a cost, which moves little from step to step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nas.sampling.cost_levels import CostLevels
from nas.sampling.path_memory import PathMemory
from nas.space import Architecture, Samplable
from nas.streams import Stream, rng
from nas.training import Context, Listener, Path

__all__ = ["Neighbouring"]

_BLOCK = 4096
_FIRST_SHARE, _MORE, _LARGEST_SHARE = 0.2, 0.15, 0.8


class Neighbouring(Listener):
    """Random paths of one level of a cost, and a small one that goes with it (ElasticViT, Tang et al., 2023).

    Gradients of networks that differ much in cost disagree. So all paths of a step are of one level, and the next
    step's level is the same, the next lower or the next higher one, with equal chances; one that would leave the range
    stays. In the long run all levels are trained alike. There is no largest path; the last path, in the role "small",
    is the smallest architecture for the lower third of the levels, and one that is drawn once for each other third.

    A level remembers architectures with low losses. Once it knows enough of them, more and more of its paths are drawn
    from these. The published preference for wide and shallow among new vision transformers is left out.

    Args:
        space: the search space, a part of it, or some of its architectures.
        seed: of the run.
        levels: of the cost; those of the same space.
        random: paths of a step before the small one.
        memory: architectures that each level remembers.
    """

    def __init__(self, space: Samplable, seed: int, levels: CostLevels, *, random: int = 3, memory: int = 50) -> None:
        self.seed, self.levels, self.random = seed, levels, random
        self.memory = PathMemory(len(levels), memory)
        thirds = sorted({3 * level // len(levels): level for level in reversed(range(len(levels)))}.items())
        draws = rng(seed, Stream.LEVEL_WALK, 0)
        self._small = [space.smallest(), *(levels.draw(level, draws) for _, level in thirds[1:])]
        self._walk: tuple[int, npt.NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def level(self, step: int) -> int:
        """Of a step: a random walk over all integers, folded at the ends of the range."""
        block, position = divmod(step, _BLOCK)
        if self._walk[0] != block:
            self._walk = block, self._places(block)
        place = int(self._walk[1][position]) % (2 * len(self.levels))
        return min(place, 2 * len(self.levels) - 1 - place)

    def share(self, progress: float) -> float:
        """Of the paths that are drawn from memory, which rises in five stages."""
        return min(_LARGEST_SHARE, _FIRST_SHARE + _MORE * int(5 * progress))

    def draw(self, context: Context) -> list[Path]:
        draws, level = rng(self.seed, Stream.LEVEL_PATHS, context.step), self.level(context.step)
        share = self.share(context.progress)
        random = [Path(self._architecture(level, share, draws), "random") for _ in range(self.random)]
        return [*random, Path(self._small[min(len(self._small) - 1, 3 * level // len(self.levels))], "small")]

    def after_step(self, context: Context) -> None:
        """Remembers what was trained."""
        for path, loss in zip(context.paths, context.losses, strict=True):
            if path.role == "random":
                self.memory.update(self.levels.of(path.architecture), path.architecture, float(loss))

    def record(self) -> dict[str, Any]:
        """How many architectures each level remembers."""
        return {"remembered": [len(known) for known in self.memory.losses]}

    def state(self) -> dict[str, Tensor]:
        return {"memory": self.memory.to_tensor()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.memory.from_tensor(state["memory"])

    def _architecture(self, level: int, share: float, draws: np.random.Generator) -> Architecture:
        if self.memory.is_half_full(level) and draws.random() < share:
            return self.memory.draw(level, draws)
        return self.levels.draw(level, draws)

    def _places(self, block: int) -> npt.NDArray[np.int64]:
        """Where the walk is at the steps of a block, before it is folded."""
        start = int(rng(self.seed, Stream.LEVEL_WALK, 1).integers(len(self.levels)))
        moves = [rng(self.seed, Stream.LEVEL_WALK, 2, each).integers(-1, 2, size=_BLOCK) for each in range(block + 1)]
        return start + sum(int(each.sum()) for each in moves[:-1]) + np.cumsum(moves[-1])
