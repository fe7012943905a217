"""How well architectures do in the banks of a balanced mixture, as it learns it while they train."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.nn.batch_norms import batch_statistics
from nas.sharing import BalancedMixture
from nas.space import Architecture
from nas.streams import Stream, rng
from nas.supernet import Supernet
from nas.tasks import Task
from nas.training.context import Context, Path
from nas.training.listener import Listener
from nas.training.objectives import Forward
from nas.training.steps import total_loss
from nas.training.streams import BatchStream

__all__ = ["PairedScores", "PublishedScores", "TableScores", "ValidationScores", "scores_of"]

_FIRST = 1.0
"""The temperature of the first epoch."""


class ValidationScores(Listener):
    """Balances the scores as each epoch begins, at a temperature that rises; to be extended by how they are told.

    Draws are even at first and settle in the end. Scores are taken at the weights before the step; the paper takes them
    after it (Javan et al., 2023). Batch norm uses the statistics of the validation batch and keeps its own. Apart from
    scores and probabilities nothing changes, random numbers included.

    Args:
        supernet: whose sharing scheme is the mixture.
        mixture: that learns.
        task: of the data, which says how well a network does.
        stream: validation batches, one for each step.
        seed: of what rows leave open.
    """

    def __init__(
        self, supernet: Supernet, mixture: BalancedMixture, task: Task, stream: BatchStream, seed: int = 0
    ) -> None:
        self.supernet, self.mixture, self.task, self.stream, self.seed = supernet, mixture, task, stream, seed

    def temperature(self, context: Context) -> float:
        """Of the epoch that begins: the same more every epoch."""
        return self._risen(context, 0.0)

    def before_step(self, context: Context) -> None:
        if context.position == 0:
            self.mixture.balance(self.temperature(context))

    def record(self) -> dict[str, Any]:
        return {"temperature": self.mixture.temperature, "untried_scores": self.mixture.untried}

    def _risen(self, context: Context, until: float) -> float:
        """The temperature that rises by the same amount every epoch, after a time in which it stays low.

        Args:
            until: epochs of the recipe at the beginning in which it is low.
        """
        last = max(1.0, context.recipe.epochs - 1 - until)
        return _FIRST + (self.mixture.hottest - _FIRST) * max(0.0, context.recipe_epoch - until) / last

    def _in_all_banks(self, architecture: Architecture, x: Tensor, y: Tensor) -> list[Tensor]:
        """Minus the loss of an architecture on one batch, in every bank."""
        return [-self._loss(Path(architecture, "random", bank), x, y) for bank in range(self.mixture.banks)]

    @torch.no_grad()
    def _loss(self, path: Path, x: Tensor, y: Tensor) -> Tensor:
        objective = [self.task.loss()]
        self.supernet.activate(path.architecture, path.bank)
        with self.supernet.weights(), batch_statistics(self.supernet.model):
            return total_loss(objective, Forward(self.supernet.model(x), y, path.role, {}, x)).float()


class PairedScores(ValidationScores):
    """Compares all banks on what a step trains, with one validation batch."""

    def after_step(self, context: Context) -> None:
        x, y = self.stream.at(context.step)
        found = [torch.stack(self._in_all_banks(path.architecture, x, y)) for path in context.paths]
        for path in context.paths:
            self.supernet.activate(path.architecture, path.bank)
        context.ranks.average(found)
        for path, scores in zip(context.paths, found, strict=True):
            self.mixture.compare([self.mixture.row_of(path.architecture)], scores.double().cpu().numpy()[None])


class TableScores(ValidationScores):
    """Compares all banks on every row as an epoch begins, with the first validation batch.

    A row that leaves choices open is tried with other values of these each time.
    """

    def before_step(self, context: Context) -> None:
        if context.position == 0:
            self._tell(context)
        super().before_step(context)

    def _tell(self, context: Context) -> None:
        x, y = self.stream.at(0)
        draws, rows = rng(self.seed, Stream.ROW_ARCHITECTURES, context.step), range(len(self.mixture.scores))
        tried = [self.mixture.architecture_of(row, draws) for row in rows]
        scores = torch.stack([torch.stack(self._in_all_banks(each, x, y)) for each in tried])
        context.ranks.average([scores])
        self.mixture.compare(rows, scores.double().cpu().numpy())


class PublishedScores(ValidationScores):
    """Tells the accuracy of what a step trains, in the bank that it trains, on one validation batch.

    The temperature stays low until an entry of the table has been told ``1 / rate`` times on average, after which its
    moving average gets no steadier, or for the first half of the epochs at most; the paper lets it rise at once.
    """

    def temperature(self, context: Context) -> float:
        steady = self.mixture.scores.size / (self.mixture.rate * context.steps_per_epoch)
        return self._risen(context, min(np.ceil(steady), context.recipe.epochs // 2))

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

    @torch.no_grad()
    def _score(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the active architecture on one batch, such as the share of images that it gets right."""
        tally = self.task.tally()
        with self.supernet.weights(), batch_statistics(self.supernet.model):
            tally.add(self.supernet.model(x), y)
        return torch.tensor(tally.score, device=x.device)


def scores_of(
    supernet: Supernet, mixture: BalancedMixture, task: Task, stream: BatchStream, seed: int = 0
) -> ValidationScores:
    """What tells the mixture its scores in the way that it asks for; arguments as of :class:`ValidationScores`."""
    kinds = {"paired": PairedScores, "table": TableScores, "published": PublishedScores}
    return kinds[mixture.scoring](supernet, mixture, task, stream, seed)
