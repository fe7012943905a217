"""How long networks train in the last round of a search."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from nas.training import Recipe

__all__ = ["Leg", "rung_ends", "rung_share"]

_RUNGS_END = 0.25
"""The share of its whole training that a network has done when it is the last one left."""


@dataclass(frozen=True)
class Leg:
    """A part of a training.

    Attributes:
        epochs: that it has.
        epoch_examples: examples of each.
    """

    epochs: int
    epoch_examples: int

    @classmethod
    def of(cls, examples: float, available: int, fewest: int = 1) -> "Leg":
        """A leg of about so many examples, in epochs of no more than are available, and at least so many."""
        epochs = max(fewest, math.ceil(examples / available))
        return cls(epochs, max(1, round(examples / epochs)))

    def recipe(self, like: Recipe, rate: float, final_rate: float) -> Recipe:
        """The recipe with this length, and with learning rates from one to the other."""
        lengths = {"epochs": self.epochs, "epoch_examples": self.epoch_examples, "warmup_epochs": 0.0}
        return like.model_copy(update={**lengths, "learning_rate": rate, "final_learning_rate": final_rate})

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def rung_ends(networks: int) -> list[int]:
    """After how many legs of equal length each rung ends, of which each keeps the better half: 1, 2, 4 …

    >>> rung_ends(4), rung_ends(1)
    ([1, 2], [])
    """
    return [2**rung for rung in range(math.ceil(math.log2(networks)))] if networks > 1 else []


def rung_share(networks: int) -> tuple[float, float]:
    """What a leg of the rungs is of the whole training of the winner, and what all networks train together.

    >>> rung_share(4)
    (0.125, 1.5)
    >>> rung_share(1)
    (0.0, 1.0)
    """
    ends = rung_ends(networks)
    if not ends:
        return 0.0, 1.0
    leg, alive, done, total = _RUNGS_END / ends[-1], networks, 0, 0.0
    for end in ends:
        total += alive * (end - done) * leg
        alive, done = math.ceil(alive / 2), end
    return leg, total + 1 - _RUNGS_END
