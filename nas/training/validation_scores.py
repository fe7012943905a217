"""How well each architecture does in the bank that it trained, as a balanced mixture learns it."""

from typing import Any

import torch
from torch import Tensor

from nas.nn.batch_norms import batch_statistics
from nas.sharing import BalancedMixture
from nas.space import Architecture
from nas.supernet import Supernet
from nas.tasks import Task
from nas.training.context import Context
from nas.training.listener import Listener
from nas.training.streams import BatchStream

__all__ = ["ValidationScores"]


class ValidationScores(Listener):
    """Scores what a step trains on one validation batch, and balances the scores as each epoch begins.

    The temperature rises by the same amount every epoch, so that draws are even at first and settle in the end. The
    scores are taken at the weights before the step; the paper takes them after it (Javan et al., 2023). Batch norm
    uses the statistics of the validation batch and keeps its own. Apart from scores and probabilities nothing
    changes, random numbers included.

    Args:
        supernet: of the mixture.
        mixture: its sharing scheme.
        task: of the data, which says how well a network does.
        stream: validation batches, one for each step.
        temperatures: in the first and in the last epoch.
    """

    def __init__(
        self,
        supernet: Supernet,
        mixture: BalancedMixture,
        task: Task,
        stream: BatchStream,
        *,
        temperatures: tuple[float, float] = (1.0, 100.0),
    ) -> None:
        self.supernet, self.mixture, self.task, self.stream = supernet, mixture, task, stream
        self.temperatures = temperatures

    def temperature(self, epoch: int, epochs: int) -> float:
        """Of one of so many epochs, counted from 0."""
        first, last = self.temperatures
        return first + (last - first) * epoch / max(1, epochs - 1)

    def before_step(self, context: Context) -> None:
        if context.position == 0:
            self.mixture.balance(self.temperature(context.recipe_epoch, context.recipe.epochs))

    def after_step(self, context: Context) -> None:
        x, y = self.stream.at(context.step)
        found: list[tuple[Architecture, int, Tensor]] = []
        for path in context.paths:
            self.supernet.activate(path.architecture, path.bank)
            bank = self.supernet.bank
            assert bank is not None
            found.append((path.architecture, bank, self._score(x, y)))
        context.ranks.average([score for _, _, score in found])
        for architecture, bank, score in found:
            self.mixture.update(architecture, bank, float(score))

    def record(self) -> dict[str, Any]:
        return {"temperature": self.mixture.temperature, "untried_scores": self.mixture.untried}

    @torch.no_grad()
    def _score(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the active architecture on one batch, such as the share of images that it gets right."""
        tally = self.task.tally()
        with self.supernet.weights(), batch_statistics(self.supernet.model):
            tally.add(self.supernet.model(x), y)
        return torch.tensor(tally.score, device=x.device)
