"""How far apart the gradients of candidates are."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.nn import OneOf
from nas.sharing.partition import Partition
from nas.streams import Stream, rng
from nas.supernet import Supernet
from nas.training.context import Context
from nas.training.objectives import Forward, LossTerm
from nas.training.steps import total_loss
from nas.training.streams import BatchStream

__all__ = ["GradientDistances", "Variants", "cosine_distances"]

Variants = Callable[[int, str, np.random.Generator], Sequence[Callable[[], None]]]
"""Bank, choice, random numbers → for each candidate of the choice in the region of the bank what makes the supernet
follow it, all else alike; none where the candidates cannot vary alone."""


class GradientDistances:
    """Compares the candidates of a choice by what their gradients do to the weights that they share.

    On some training batches each candidate of a choice gives a gradient of the parameters that all of them use, while
    the other choices have random values, or follow their gates. The distance of two candidates is one minus the cosine
    between theirs, averaged (Hu et al., 2022). Nothing else of the training feels it: neither statistics of batch norms
    nor the random numbers of dropout.

    Args:
        supernet: whose weights they share.
        scheme: its sharing scheme.
        objective: loss terms of a random path.
        batches: training batches of its own, from a stream that nothing else reads.
        seed: of the values of the other choices.
        repeats: how many batches.
        variants: how candidates are compared; by default each is a part of a random architecture.
    """

    def __init__(
        self,
        supernet: Supernet,
        scheme: Partition,
        objective: Sequence[LossTerm],
        batches: BatchStream,
        seed: int,
        repeats: int,
        variants: Variants | None = None,
    ) -> None:
        self.supernet, self.scheme, self.objective, self.batches = supernet, scheme, objective, batches
        self.seed, self.repeats, self._passes = seed, repeats, 0
        self.variants = self._architectures if variants is None else variants

    def __call__(self, bank: int, choice: str, context: Context) -> Tensor | None:
        """Float64 ``[k, k]`` between the k candidates of a choice in the region of a bank, averaged over batches.

        None where no variants of the bank are alike but for that choice.
        """
        option = list(self.supernet.space.choices).index(choice)
        draws = rng(self.seed, Stream.GRADIENT_VARIANTS, context.step, bank, option)
        first = context.step * self.batches.batches
        parameters, found = self._common_parameters(bank, choice), []
        with _without_trace(self.scheme, bank):
            for repeat in range(self.repeats):
                x, y = self.batches.at(first + repeat)
                variants = self.variants(bank, choice, draws)
                if not variants:
                    return None
                found.append(cosine_distances([self._gradient(each, parameters, x, y) for each in variants]))
        mean = torch.stack(found).mean(0).to(x.device)
        context.ranks.average([mean])
        return mean.cpu()

    def take_passes(self) -> int:
        """The forward and backward passes since it was asked last."""
        passes, self._passes = self._passes, 0
        return passes

    def _architectures(self, bank: int, choice: str, draws: np.random.Generator) -> list[Callable[[], None]]:
        return [partial(self.supernet.activate, each) for each in self.scheme.variants(bank, choice, draws)]

    def _common_parameters(self, bank: int, choice: str) -> list[Tensor]:
        """The parameters of a bank that do not belong to a single candidate of the choice."""
        own = {
            id(parameter)
            for reader in self.supernet.readers(choice)
            if isinstance(reader, OneOf)
            for parameter in reader.parameters()
        }
        tensors = self.scheme.tensors(bank)
        return [
            tensors[name]
            for name, tensor in self.scheme.tensors(0).items()
            if isinstance(tensor, nn.Parameter) and tensor.requires_grad and id(tensor) not in own
        ]

    def _gradient(self, show: Callable[[], None], parameters: Sequence[Tensor], x: Tensor, y: Tensor) -> Tensor:
        """The gradient ``[n]`` of all n numbers in the parameters, zero where they are not used.

        Every candidate draws the same random numbers.
        """
        with torch.random.fork_rng(_cuda(x)):
            show()
            loss = total_loss(self.objective, Forward(self.supernet(x), y, "random", {}, x))
        self._passes += 1
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        return torch.cat(
            [
                torch.zeros_like(parameter).flatten() if gradient is None else gradient.flatten()
                for gradient, parameter in zip(gradients, parameters, strict=True)
            ]
        )


def cosine_distances(vectors: Sequence[Tensor]) -> Tensor:
    """One minus the cosine between vectors ``[n]``: float64 ``[k, k]``, symmetric, its diagonal zero.

    A vector of zeros is at distance one from all others.
    """
    directions = F.normalize(torch.stack(list(vectors)), dim=1)
    upper = (1 - (directions @ directions.T).double()).triu(1).cpu()
    return upper + upper.T


@contextmanager
def _without_trace(scheme: Partition, bank: int) -> Iterator[None]:
    """Afterwards the buffers of a bank, such as statistics of batch norms, are as they were."""
    buffers = [tensor for tensor in scheme.tensors(bank).values() if not isinstance(tensor, nn.Parameter)]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


def _cuda(x: Tensor) -> list[torch.device]:
    return [x.device] if x.device.type == "cuda" else []
