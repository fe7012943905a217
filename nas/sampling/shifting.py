"""Random paths at those levels of a cost that still get better."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas.sampling.cost_levels import CostLevels
from nas.space import Samplable
from nas.streams import Stream, rng
from nas.training import Context, Listener, Path

__all__ = ["Shifting"]


class Shifting(Listener):
    """The sandwich rule with random paths at levels of a cost whose probability shifts to where losses still fall
    (after ShiftNAS, Zhang et al., 2023).

    Known to us are abstract and accounts of others: levels whose loss falls faster than that of others are trained too
    little. How fast it falls is averaged, as a share of the level's own loss, since small networks have larger ones; a
    level is as likely as the exponential of how many standard deviations its fall is above the mean. The published
    generator, a network that learns to give an architecture of a cost, is left out; architectures of a level are drawn
    at random.

    Args:
        space: the search space, a part of it, or some of its architectures.
        seed: of the run.
        levels: of the cost; those of the same space.
        random: paths of a step between the largest and the smallest.
        rate: at which losses and their falls are averaged.
        uniform: share of the draws that goes to all levels alike.

    Attributes:
        probabilities: of each level ``[levels]``.
    """

    def __init__(
        self,
        space: Samplable,
        seed: int,
        levels: CostLevels,
        *,
        random: int = 2,
        rate: float = 0.1,
        uniform: float = 0.3,
    ) -> None:
        self.seed, self.levels = seed, levels
        self.random, self.rate, self.uniform = random, rate, uniform
        self._largest, self._smallest = Path(space.largest(), "largest"), Path(space.smallest(), "smallest")
        self._losses, self._falls = np.full(len(levels), np.nan), np.zeros(len(levels))

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        spread = self._falls.std()
        above = (self._falls - self._falls.mean()) / spread if spread else np.zeros(len(self._falls))
        likely: npt.NDArray[np.float64] = np.exp(above) / np.exp(above).sum()
        return self.uniform / len(likely) + (1 - self.uniform) * likely

    def draw(self, context: Context) -> list[Path]:
        draws = rng(self.seed, Stream.SHIFTED_PATHS, context.step)
        levels = draws.choice(len(self.levels), size=self.random, p=self.probabilities)
        random = [Path(self.levels.draw(int(level), draws), "random") for level in levels]
        return [self._largest, *random, self._smallest]

    def after_step(self, context: Context) -> None:
        """Takes down how far the losses of levels are below what they were."""
        for path, loss in zip(context.paths, context.losses, strict=True):
            if path.role == "random":
                self.update(self.levels.of(path.architecture), float(loss))

    def update(self, level: int, loss: float) -> None:
        """Takes down the loss of an architecture of a level."""
        before = self._losses[level]
        if np.isnan(before):
            self._losses[level] = loss
            return
        self._falls[level] += self.rate * ((before - loss) / max(before, 1e-12) - self._falls[level])
        self._losses[level] += self.rate * (loss - before)

    def record(self) -> dict[str, Any]:
        """How likely each level of the cost is."""
        return {"level_probabilities": self.probabilities.round(4).tolist()}

    def state(self) -> dict[str, Tensor]:
        return {"losses": torch.from_numpy(self._losses.copy()), "falls": torch.from_numpy(self._falls.copy())}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._losses, self._falls = (state[name].double().cpu().numpy().copy() for name in ("losses", "falls"))
