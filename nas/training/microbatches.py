"""The parts of every batch, each with batch-norm statistics of its own, and who runs which."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.streams import Stream, derive_seed
from nas.training.ranks import ALONE, Ranks
from nas.wording import counted

__all__ = ["WHOLE", "Microbatches"]


@dataclass(frozen=True)
class Microbatches:
    """How batches are cut in parts of the same size; each process runs as many of them, one after another.

    What a step does depends on the number of parts and not on the number of processes: every part draws random numbers
    of its own, and batch norm's running statistics move once a step, by the mean over the parts. A batch of one part
    draws from the generator as it is.

    Attributes:
        count: of the parts.
        seed: of the run.
        ranks: the processes.

    Raises:
        UsageError: the processes cannot have equally many parts.
    """

    count: int = 1
    seed: int = 0
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        if self.count % self.ranks.size:
            raise UsageError(
                f"microbatches is {self.count}, but {self.ranks.size} processes train together, each on as many parts "
                "of a batch; make it a multiple of their number."
            )

    @property
    def each(self) -> int:
        """How many parts this process runs."""
        return self.count // self.ranks.size

    def of(self, model: nn.Module, seed: tuple[int, ...], *batch: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The parts of a batch that this process runs; a part must have been run when the next is asked for.

        Each part finds the buffers of the model as the first did, and no gradients. Afterwards both are the means over
        the parts, which are added up one by one, as processes do.

        Args:
            model: that runs, without gradients.
            seed: of the random numbers of the batch, beside that of the run.
            batch: tensors of any lengths ``[N, ...]``.

        Raises:
            UsageError: a tensor cannot be cut in equal parts.
        """
        for tensor in batch:
            if len(tensor) % self.count:
                raise UsageError(
                    f"microbatches is {self.count}, but a batch has {counted(len(tensor), 'example')}, which cannot be "
                    "cut in so many equal parts; take another number."
                )
        parts = list(zip(*(tensor.chunk(self.count) for tensor in batch), strict=True))
        first = self.ranks.rank * self.each
        if self.each == 1:
            self.draw_anew(*seed, first)
            yield parts[first]
            return
        sums = _Sums(model)
        for number in range(first, first + self.each):
            self.draw_anew(*seed, number)
            yield parts[number]
            sums.take()
        sums.give_back(self.each)

    def draw_anew(self, *seed: int) -> None:
        """Where batches are cut, random numbers from here on are a function of the run's seed and these numbers."""
        if self.count > 1:
            torch.manual_seed(derive_seed(self.seed, Stream.MICROBATCHES, *seed))


class _Sums:
    """Adds up what the passes of a model leave in its gradients and buffers."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._gradients: dict[nn.Parameter, Tensor] = {}
        self._buffers = [
            (buffer, buffer.clone(), torch.zeros_like(buffer, dtype=torch.float64)) for buffer in model.buffers()
        ]

    @torch.no_grad()
    def take(self) -> None:
        """Adds what the last pass has left, and leaves the model as it was before."""
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                known = self._gradients.get(parameter)
                self._gradients[parameter] = parameter.grad if known is None else known.add_(parameter.grad)
                parameter.grad = None
        for buffer, start, total in self._buffers:
            total.add_(buffer)
            buffer.copy_(start)

    @torch.no_grad()
    def give_back(self, passes: int) -> None:
        """Puts the means into the model."""
        for parameter, gradient in self._gradients.items():
            parameter.grad = gradient.div_(passes)
        for buffer, _, total in self._buffers:
            buffer.copy_(total / passes)


WHOLE = Microbatches()
