"""Whether the banks of a balanced mixture came to differ: four numbers after the training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.nn.batch_norms import batch_statistics
from nas.sharing import BalancedMixture
from nas.streams import Stream, rng
from nas.supernet import Supernet
from nas.tasks import Task
from nas.training.context import Context
from nas.training.listener import Listener
from nas.training.streams import BatchStream

__all__ = ["Specialisation"]

_LATE = 0.9
_MOST_ROWS = 64
_BATCHES = 2


class Specialisation(Listener):
    """Counts what each bank trains, and compares the banks after the last step.

    The epoch in which the training ends records under ``mixture``:

    - ``tellings``: how often an entry of the table of scores was told, on average;
    - ``own_share``: the share of the steps of each row that its bank of the end had, ``1 / models`` by chance;
    - ``changed_late``: the share of the rows whose bank changed in the last tenth of the steps;
    - ``own_ahead``: how much higher the validation score of a row is in its bank than in the others on average, such as
      the accuracy; of 64 rows at most, on two batches.

    Args:
        supernet: whose sharing scheme is the mixture.
        mixture: itself.
        task: of the data.
        stream: validation batches.
        seed: of what rows leave open.
    """

    def __init__(
        self, supernet: Supernet, mixture: BalancedMixture, task: Task, stream: BatchStream, seed: int = 0
    ) -> None:
        self.supernet, self.mixture, self.task, self.stream, self.seed = supernet, mixture, task, stream, seed
        self._trained = np.zeros(mixture.scores.shape, np.int64)
        self._late = np.zeros(len(mixture.scores), np.int64)
        self._found: dict[str, float] = {}

    def before_step(self, context: Context) -> None:
        if context.recipe_step == int(_LATE * context.recipe_steps):
            self._late = self.mixture.assignment.copy()

    def after_step(self, context: Context) -> None:
        for path in context.paths:
            if path.bank is not None:
                self._trained[self.mixture.row_of(path.architecture), path.bank] += 1
        if context.recipe_step + 1 == context.recipe_steps:
            own = self.mixture.assignment
            self._found = {
                "tellings": float(self.mixture.told.mean()),
                "own_share": float(self._trained[np.arange(len(own)), own].sum() / max(1, self._trained.sum())),
                "changed_late": float((own != self._late).mean()),
                "own_ahead": self._own_ahead(context),
            }

    def state(self) -> dict[str, Tensor]:
        return {"trained": torch.tensor(self._trained), "late": torch.tensor(self._late)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._trained, self._late = (state[name].cpu().numpy().copy() for name in ("trained", "late"))

    def record(self) -> dict[str, Any]:
        found, self._found = self._found, {}
        return {"mixture": found} if found else {}

    @torch.no_grad()
    def _own_ahead(self, context: Context) -> float:
        """Zero where there is one bank."""
        own, banks = self.mixture.assignment, self.mixture.banks
        draws = rng(self.seed, Stream.SPECIALISATION, context.step)
        rows = np.unique(np.linspace(0, len(own) - 1, _MOST_ROWS).astype(int))
        batches = [self.stream.at(number) for number in range(min(_BATCHES, self.stream.batches))]
        scores = np.zeros((len(rows), banks))
        for row, number in zip(scores, rows, strict=True):
            architecture = self.mixture.architecture_of(int(number), draws)
            for bank in range(banks):
                tally = self.task.tally()
                self.supernet.activate(architecture, bank)
                with self.supernet.weights(), batch_statistics(self.supernet.model):
                    for x, y in batches:
                        tally.add(self.supernet.model(x), y)
                row[bank] = tally.score
        mine = scores[np.arange(len(rows)), own[rows]]
        return float((mine - (scores.sum(1) - mine) / max(1, banks - 1)).mean()) if banks > 1 else 0.0
