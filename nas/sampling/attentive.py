"""The best, or the worst, of several architectures that cost alike."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from nas.sampling.cost_levels import CostLevels
from nas.space import Architecture, Samplable
from nas.streams import Stream, rng
from nas.training import Context, Listener, Path

__all__ = ["Attentive", "PathScore"]

_BLOCK = 32
"""Steps whose architectures are drawn together."""

_SPARE = 2


class PathScore(Protocol):
    """Says which of some architectures is the best."""

    def __call__(self, paths: Sequence[Path], context: Context) -> ArrayLike:
        """How good each of them is ``[n]``, larger is better; the same in all processes that train together."""


class Attentive(Listener):
    """The sandwich rule with random paths at the Pareto front (AttentiveNAS, Wang et al., 2021).

    In place of each random path several are drawn, the first by each choice uniformly, which fixes the level of the
    cost, and the others likewise among those of its level. The one with the best score is trained, so that weights suit
    what a search looks for; or the one with the worst, so that nothing falls behind.

    Args:
        space: the search space, a part of it, or some of its architectures.
        seed: of the run.
        levels: of the cost; those of the same space.
        score: how good architectures are.
        random: paths of a step between the largest and the smallest.
        candidates: how many are drawn for each of them; 1 is the sandwich rule.
        focus: whether the best or the worst of them is trained.
    """

    def __init__(
        self,
        space: Samplable,
        seed: int,
        levels: CostLevels,
        score: PathScore,
        *,
        random: int = 2,
        candidates: int = 3,
        focus: Literal["best", "worst"] = "best",
    ) -> None:
        self.space, self.seed, self.levels, self.score = space, seed, levels, score
        self.random, self.candidates, self.focus = random, candidates, focus
        self._largest, self._smallest = Path(space.largest(), "largest"), Path(space.smallest(), "smallest")
        self._compared = [0, 0]
        self._block: tuple[int, list[list[Architecture]]] = (-1, [])

    def draw(self, context: Context) -> list[Path]:
        block, position = divmod(context.step, _BLOCK)
        if self._block[0] != block:
            self._block = block, self._slots(block)
        slots = self._block[1][position * self.random : (position + 1) * self.random]
        random = [self._chosen([Path(each, "random") for each in slot], context) for slot in slots]
        return [self._largest, *random, self._smallest]

    def _slots(self, block: int) -> list[list[Architecture]]:
        """The candidates of all random paths of some steps; each is drawn once, so that hardly any draw is in vain."""
        draws, number = rng(self.seed, Stream.ATTENTIVE_PATHS, block), _BLOCK * self.random
        slots = [[self.space.sample(draws)] for _ in range(number)]
        others = [self.space.sample(draws) for _ in range(_SPARE * number * (self.candidates - 1))]
        stock: dict[int, list[Architecture]] = {}
        for level, each in zip(self.levels.of_all(others), others, strict=True):
            stock.setdefault(level, []).append(each)
        for level, slot in zip(self.levels.of_all([first for (first,) in slots]), slots, strict=True):
            known = stock.get(level, [])
            slot += [known.pop() for _ in range(min(len(known), self.candidates - 1))]
        return slots

    def _chosen(self, paths: Sequence[Path], context: Context) -> Path:
        """The first of equally good ones."""
        self._compared = [self._compared[0] + len(paths), self._compared[1] + 1]
        scores = np.asarray(self.score(paths, context)) if len(paths) > 1 else np.zeros(1)
        return paths[int(scores.argmax() if self.focus == "best" else scores.argmin())]

    def record(self) -> dict[str, Any]:
        """How many architectures each path of the epoch was chosen from on average: fewer where levels are rare."""
        (compared, chosen), self._compared = self._compared, [0, 0]
        return {"compared": compared / chosen} if chosen else {}
