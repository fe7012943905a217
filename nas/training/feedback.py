"""What a sharing scheme learns from while its supernet trains."""

from collections.abc import Sequence
from typing import Any

import torch

from nas.training.paths import Path
from nas.training.ranks import ALONE, Ranks

__all__ = ["Feedback"]


class Feedback:
    """Watches the steps of a supernet and tells its sharing scheme; to be extended.

    What it remembers it keeps in the scheme, which is saved with the supernet.

    Attributes:
        ranks: the processes that train together; what is computed is averaged over them before the scheme is told, or
            they would soon draw different paths.
    """

    ranks: Ranks = ALONE

    def begin(self, optimizer: torch.optim.Optimizer, ranks: Ranks = ALONE) -> None:
        """Told the optimiser of the supernet's parameters, and the processes, before the first step."""
        self.ranks = ranks

    def before_step(self, step: int) -> None:
        """Called before the paths of a step are drawn.

        Args:
            step: number of the step over the whole training.
        """

    def after_step(self, step: int, paths: Sequence[Path]) -> None:
        """Called when the gradients of a step are there, before the optimiser moves.

        Args:
            step: number of the step over the whole training.
            paths: that were trained.
        """

    def record(self) -> dict[str, Any]:
        """JSON values worth logging after an epoch."""
        return {}
