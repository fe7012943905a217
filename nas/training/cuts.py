"""Cutting the space of a supernet while it trains: each part goes on with weights and optimiser state of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import OneOf
from nas.sharing.few_shot import FewShot
from nas.sharing.gradient_matching import GradientMatching
from nas.sharing.partition import Division, Partition
from nas.space import Architecture
from nas.streams import Stream, rng
from nas.supernet import Supernet
from nas.training.context import Context
from nas.training.listener import Listener
from nas.training.objectives import Forward, LossTerm
from nas.training.phase import Phase
from nas.training.steps import total_loss
from nas.training.streams import BatchStream

__all__ = ["ByGradients", "Cut", "EveryCandidate", "cosine_distances", "with_cuts"]

Scheme = TypeVar("Scheme", bound=Partition)


class Cut(Listener, Generic[Scheme]):
    """Has the regions of the space cut when a phase begins; to be extended.

    A bank that is taken into use gets the state that the optimiser keeps for the parameters of the bank it comes from.

    Args:
        scheme: of the supernet.
    """

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self._made: list[Division] = []

    def divide(self, context: Context) -> None:
        """Has the scheme cut its regions."""
        raise TypeError(f"{type(self).__name__} must define divide()")

    def begin(self, context: Context) -> None:
        known = len(self.scheme.divisions)
        self.divide(context)
        self._made = list(self.scheme.divisions[known:])
        for division in self._made:
            for child in division.children:
                self._inherit(context.optimizer, division.bank, child)

    def record(self) -> dict[str, Any]:
        """How regions were cut in the epoch, if they were."""
        made, self._made = self._made, []
        return {"divisions": [self.scheme.describe_division(division) for division in made]} if made else {}

    def _inherit(self, optimizer: torch.optim.Optimizer | None, parent: int, child: int) -> None:
        if optimizer is None:
            return
        state, tensors = optimizer.state, self.scheme.tensors(parent)
        for name, heir in self.scheme.tensors(child).items():
            if tensors[name] in state:
                state[heir] = {
                    key: value.clone() if torch.is_tensor(value) else value
                    for key, value in state[tensors[name]].items()
                }


def with_cuts(phase: Phase, shares: Sequence[float], cut: Cut[Any]) -> list[Phase]:
    """A phase in parts, each but the first of which begins with a cut.

    Args:
        phase: without listeners that do something when it begins.
        shares: of the phase's epochs, after which, rounded to whole epochs, there is a cut.
    """
    ends = [round(share * phase.end) for share in sorted(shares)]
    first, *others = [replace(phase, until=end) for end in (*ends, phase.end)]
    return [first, *(replace(each, listeners=[*phase.listeners, cut]) for each in others)]


class EveryCandidate(Cut[FewShot]):
    """Cuts the space once, by every candidate of some choices (few-shot supernets, Zhao et al., 2021).

    Args:
        supernet: whose sharing scheme is :class:`~nas.sharing.FewShot`.

    Raises:
        UsageError: it is another scheme.
    """

    def __init__(self, supernet: Supernet) -> None:
        super().__init__(_scheme(supernet, FewShot, self))

    def divide(self, context: Context) -> None:
        self.scheme.divide()


class ByGradients(Cut[GradientMatching]):
    """Cuts regions where the gradients of candidates disagree (gradient matching, Hu et al., 2022).

    On some training batches, at random values of the other choices, each candidate of a choice gives a gradient of the
    parameters that all of them use. The distance of two candidates is one minus the cosine between theirs, averaged.
    Nothing else of the training feels it: neither statistics of batch norms nor the random numbers of dropout.

    Args:
        supernet: whose sharing scheme is :class:`~nas.sharing.GradientMatching`.
        objective: loss terms of a random path.
        batches: training batches of its own, from a stream that nothing else reads.
        seed: of the values of the other choices.

    Raises:
        UsageError: it is another scheme.
    """

    def __init__(self, supernet: Supernet, objective: Sequence[LossTerm], batches: BatchStream, seed: int) -> None:
        super().__init__(_scheme(supernet, GradientMatching, self))
        self.supernet, self.objective, self.batches, self.seed = supernet, objective, batches, seed
        self._passes = 0

    def divide(self, context: Context) -> None:
        for bank in range(self.scheme.used):
            found = {name: self.distances(bank, name, context) for name in self.scheme.splittable(bank)}
            self.scheme.update(bank, {name: each.numpy() for name, each in found.items() if each is not None})

    def distances(self, bank: int, choice: str, context: Context) -> Tensor | None:
        """Float64 ``[k, k]`` between the k candidates of a choice in the region of a bank, averaged over batches.

        None where no architectures of the bank are alike but for that choice.
        """
        option = list(self.supernet.space.choices).index(choice)
        draws = rng(self.seed, Stream.GRADIENT_VARIANTS, context.step, bank, option)
        first = context.step * self.batches.split.steps(self.batches.batch_size)
        parameters, found = self._common_parameters(bank, choice), []
        with _without_trace(self.scheme, bank):
            for repeat in range(self.scheme.repeats):
                x, y = self.batches.at(first + repeat)
                variants = self.scheme.variants(bank, choice, draws)
                if not variants:
                    return None
                found.append(cosine_distances([self._gradient(each, parameters, x, y) for each in variants]))
        mean = torch.stack(found).mean(0).to(x.device)
        context.ranks.average([mean])
        return mean.cpu()

    def record(self) -> dict[str, Any]:
        """The forward and backward passes of the epoch that compared gradients, where there were any."""
        passes, self._passes = self._passes, 0
        return {**super().record(), **({"gradient_passes": passes} if passes else {})}

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

    def _gradient(self, architecture: Architecture, parameters: Sequence[Tensor], x: Tensor, y: Tensor) -> Tensor:
        """The gradient ``[n]`` of all n numbers in the parameters, zero where they are not used.

        Every candidate draws the same random numbers.
        """
        with torch.random.fork_rng(_cuda(x)):
            self.supernet.activate(architecture)
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


def _scheme(supernet: Supernet, kind: type[Scheme], listener: Listener) -> Scheme:
    if not isinstance(supernet.sharing, kind):
        raise UsageError(
            f"{type(listener).__name__} tells {kind.__name__} how to cut the space, but the supernet shares by "
            f"{type(supernet.sharing).__name__}; make it with sharing={kind.__name__}()."
        )
    return supernet.sharing


def _cuda(x: Tensor) -> list[torch.device]:
    return [x.device] if x.device.type == "cuda" else []
