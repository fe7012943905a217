"""Training examples by how large their gradients are, and the weights that make up for it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.data import Augment, Split
from nas.data.protocols import Batch
from nas.data.seeding import Seed, generator
from nas.sampling.important_paths import importance
from nas.tasks import Forward, LossTerm
from nas.training import Context, Listener
from nas.training.steps import total_loss

__all__ = ["ImportantExamples", "weighted"]


class ImportantExamples(Listener):
    """A loss term that draws the examples from which it learns by the size of their gradients (PA&DA, Lu et al., 2023).

    The importance of an example is the norm of the gradient of its loss with respect to the output, for classes that of
    the difference between probabilities and label, averaged over the times that it was seen. An epoch draws as many
    examples as ever, but with replacement, by :func:`~nas.sampling.important_paths.importance` of it.

    Args:
        split: the training examples.
        term: what they teach, a mean over examples.
        uniform: share of the draws that goes to all examples alike, at the least.
        weight: of the gradient of the path that runs; None for gradients as they are, as in the authors' code. With it
            each example's gradient is weighted by how likely it is under uniform draws, as a multiple of how likely it
            is now, so that the expected gradient is that of uniform draws.

    Attributes:
        data: a split that is drawn so, for the phase.
    """

    def __init__(
        self, split: Split, term: LossTerm, uniform: float = 0.1, weight: Callable[[], float] | None = None
    ) -> None:
        self.term, self.uniform, self.weight = term, uniform, weight
        self.data = _Drawn(split, self)
        self._scores, self._seen = np.full(len(split), np.nan), np.zeros(len(split))
        self._probabilities = importance(self._scores, 0.0)
        self._positions = np.zeros(0, np.int64)
        self._share, self._batch, self._found, self._cursor = 0.0, self._positions, torch.empty(0), 0

    def __call__(self, forward: Forward) -> Tensor | None:
        norms = _norms(self.term, forward)
        here = slice(self._cursor, self._cursor + len(norms))
        self._found[here], self._cursor = norms, here.stop
        if self.weight is None:
            return self.term(forward)
        rare = 1 / (len(self._scores) * self._probabilities[self._batch[here]])
        factor = torch.from_numpy(self.weight() * rare).to(forward.output)
        return self.term(replace(forward, output=weighted(forward.output, factor)))

    def positions(self, count: int, draws: torch.Generator) -> Tensor:
        """Which examples the next epoch sees, int64 ``[count]``, drawn by what is known now."""
        self._probabilities = importance(self._scores, min(self._share, 1 - self.uniform))
        below = np.cumsum(self._probabilities)
        drawn = torch.rand(count, generator=draws, dtype=torch.float64).numpy() * below[-1]
        self._positions = np.searchsorted(below, drawn, side="right").clip(max=len(below) - 1)
        return torch.from_numpy(self._positions)

    def before_step(self, context: Context) -> None:
        size, ranks = len(context.x), context.ranks
        first = context.position * context.recipe.batch_size
        self._batch = self._positions[first : first + size]
        self._found = torch.zeros(size, device=context.x.device)
        self._cursor = ranks.rank * (size // ranks.size)

    def after_step(self, context: Context) -> None:
        """Takes down the gradients of the batch."""
        self._share = (context.recipe_epoch + 1) / context.recipe.epochs
        context.ranks.average([self._found])
        found = (self._found * context.ranks.size).double().cpu().numpy()
        for position, norm in zip(self._batch.tolist(), found.tolist(), strict=True):
            before = 0.0 if np.isnan(self._scores[position]) else self._scores[position]
            self._seen[position] += 1
            self._scores[position] = before + (norm - before) / self._seen[position]

    def record(self) -> dict[str, Any]:
        """How many times likelier than the mean the likeliest example of the epoch is."""
        return {"most_important": float(self._probabilities.max() * len(self._probabilities))}

    def state(self) -> dict[str, Tensor]:
        share = torch.tensor(self._share, dtype=torch.float64)
        return {"scores": torch.tensor(self._scores), "seen": torch.tensor(self._seen), "share": share}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._scores, self._seen = (state[name].double().cpu().numpy().copy() for name in ("scores", "seen"))
        self._share = float(state["share"])


class _Drawn:
    """A split whose training batches hold what is important."""

    def __init__(self, split: Split, examples: ImportantExamples) -> None:
        self.split, self.examples = split, examples
        self.groups, self.batches, self.steps = split.groups, split.batches, split.steps
        self.fraction, self.divided, self.at = split.fraction, split.divided, split.at

    @property
    def device(self) -> torch.device:
        return self.split.device

    def __len__(self) -> int:
        return len(self.split)

    def shuffled(self, batch_size: int, seed: Seed, augment: Augment | None = None) -> Iterator[Batch]:
        """One epoch of training, as many batches as ever."""
        count = self.steps(batch_size) * min(batch_size, len(self))
        return self.drawn(self.examples.positions(count, generator(seed)), batch_size, seed, augment)

    def drawn(self, positions: Tensor, batch_size: int, seed: Seed, augment: Augment | None = None) -> Iterator[Batch]:
        """What the split gives."""
        return self.split.drawn(positions, batch_size, seed, augment)


def weighted(output: Tensor, weights: Tensor) -> Tensor:
    """The same output ``[N, ...]``, whose gradient is weighted for each example.

    Args:
        weights: ``[N]``.
    """
    scaled = output * weights.view(-1, *[1] * (output.dim() - 1))
    return scaled + (output - scaled).detach()


def _norms(term: LossTerm, forward: Forward) -> Tensor:
    """Of the gradient of each example's loss with respect to its output ``[N]``."""
    output = forward.output.detach().requires_grad_()
    with torch.enable_grad():
        loss = total_loss([term], replace(forward, output=output))
        (gradient,) = torch.autograd.grad(loss, output)
    norms: Tensor = gradient.flatten(1).norm(dim=1).float() * len(output)
    return norms
