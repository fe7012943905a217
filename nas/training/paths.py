"""What says which architectures a step trains."""

from collections.abc import Sequence
from typing import Protocol

from nas.training.context import Context, Path

__all__ = ["PathSampler"]


class PathSampler(Protocol):
    """Answers "which architectures now?".

    One of your own draws from ``nas.rng(seed, nas.Stream.OWN, number, step)``, which nothing else in a run does.
    """

    def draw(self, context: Context) -> Sequence[Path]:
        """The paths of one optimizer step, in the order in which they run."""
