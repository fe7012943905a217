"""Batches by the number of the step, whatever the length of an epoch."""

from collections.abc import Iterator

from torch import Tensor

from nas.data import Augment, Split

__all__ = ["BatchStream"]


class BatchStream:
    """Shuffled batches of a split, epoch after epoch, each a function of (seed, step).

    Args:
        split: read over and over.
        batch_size: images, or windows of text, of a batch.
        seed: of the order and of the augmentation; give each stream of a run one of its own.
        augment: what is done to the images.
    """

    def __init__(self, split: Split, batch_size: int, seed: tuple[int, ...], augment: Augment | None = None) -> None:
        self.split, self.batch_size, self.seed, self.augment = split, batch_size, seed, augment
        self._next = -1
        self._batches: Iterator[tuple[Tensor, Tensor]] = iter(())

    @property
    def batches(self) -> int:
        """Of an epoch."""
        return self.split.steps(self.batch_size)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of a step, inputs and labels; cheap for the step after the last."""
        epoch, position = divmod(step, self.batches)
        if step != self._next or position == 0:
            self._batches = self.split.shuffled(self.batch_size, (*self.seed, epoch), self.augment)
            for _ in range(position):
                next(self._batches)
        self._next = step + 1
        return next(self._batches)
