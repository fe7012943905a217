"""A policy from which architectures are drawn, trained by policy gradients."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nas.errors import UsageError
from nas.search.standings import standings
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from nas.search.controller import Controller

__all__ = ["Reinforce"]

_DRAWS = 20
_MEMORY = 0.9
"""Of the moving average of rewards that an architecture must exceed."""


class Reinforce:
    """Draws from a recurrent network that learns from the results by REINFORCE (Williams, 1992).

    As in the first neural architecture search (Zoph and Le, 2017), which took 12,800 evaluations: it learns slowly.

    The reward of a result is its standing among all so far as a standard normal number, so no scale matters; its
    advantage is over the moving average of rewards. What is drawn a second time is learnt from again, without an
    evaluation; after twenty such draws in a row a mutation is proposed. Results that it did not ask for count as drawn.

    Args:
        width: of the network.
        rate: of Adam.
        entropy: how much the network is rewarded for being undecided.
        batch: results for each step.

    Raises:
        UsageError: a number that is not positive.
    """

    def __init__(
        self, space: Space, seed: int = 0, *, width: int = 32, rate: float = 0.01, entropy: float = 0.01, batch: int = 5
    ) -> None:
        if min(width, batch) < 1 or not rate > 0 or not entropy >= 0:
            raise UsageError(
                f"reinforce has width {width}, batch {batch}, rate {rate} and entropy {entropy}; use whole numbers of "
                "at least 1, a positive rate and an entropy of 0 or more."
            )
        self.width, self.rate, self.entropy, self.batch = width, rate, entropy, batch
        self._space, self._seed = space, seed
        self._sampler = UniqueSampler(space, seed)
        self._new: list[Result] = []
        """What has not been learnt from."""
        self._expected = 0.0

    def ask(self, n: int) -> list[Architecture]:
        proposals = (self._proposal() for _ in range(n))
        return [architecture for architecture in proposals if architecture is not None]

    def tell(self, results: Sequence[Result]) -> None:
        self._new += self._sampler.record(results)
        self._learn_from_batches()

    @cached_property
    def _controller(self) -> "Controller":
        from nas.search.controller import Controller

        return Controller(self._space, self.width, derive_seed(self._seed, Stream.CONTROLLER))

    @cached_property
    def _optimizer(self) -> "Optimizer":
        from torch.optim import Adam

        return Adam(self._controller.parameters(), lr=self.rate)

    def _proposal(self) -> Architecture | None:
        """A new architecture; None if the space is exhausted."""
        for drawn in self._space.from_indices(self._controller.draw(_DRAWS, self._sampler.rng)):
            if self._sampler.visit(drawn):
                return drawn
            if drawn in self._sampler.results:
                self._new.append(self._sampler.results[drawn])
                self._learn_from_batches()
        return self._sampler.mutate(drawn)

    def _learn_from_batches(self) -> None:
        from scipy.special import ndtri

        while len(self._new) >= self.batch:
            batch = [each.architecture for each in self._new[: self.batch]]
            self._new = self._new[self.batch :]
            known = dict(zip(self._sampler.results, standings(list(self._sampler.results.values())), strict=True))
            rewards = ndtri([known[each] for each in batch])
            self._update(batch, rewards - self._expected)
            self._expected = _MEMORY * self._expected + (1 - _MEMORY) * float(rewards.mean())

    def _update(self, batch: Sequence[Architecture], advantages: Sequence[float]) -> None:
        import torch

        logs, undecided = self._controller(self._space.indices(batch))
        gain = torch.tensor(advantages, dtype=torch.float32) * logs + self.entropy * undecided
        self._optimizer.zero_grad()
        (-gain.mean()).backward()
        self._optimizer.step()
