"""A policy from which architectures are drawn, trained by policy gradients."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nas.errors import UsageError
from nas.search.standings import best_first, standings
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space
from nas.streams import Stream, derive_seed

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from nas.search.controller import Controller

__all__ = ["PolicyGradient", "clipped_gain", "group_shares", "ppo_controller", "reinforce"]

_DRAWS = 20
_LEAST = 1e-9
"""Nats that are added to every entropy, so that there is a group to decide anew when all are certain."""


def reinforce(
    space: Space, seed: int = 0, *, width: int = 32, rate: float = 0.01, entropy: float = 0.01, batch: int = 5
) -> "PolicyGradient":
    """A recurrent network that learns from the results by REINFORCE (Williams, 1992).

    As in the first neural architecture search (Zoph and Le, 2017), which took 12,800 evaluations: it learns slowly.

    Args:
        width: see :class:`PolicyGradient`, also for the other options.

    Raises:
        UsageError: a number that is not positive.
    """
    _check("reinforce", width=width, batch=batch, rate=rate, entropy=entropy)
    return PolicyGradient(space, seed, width=width, rate=rate, entropy=entropy, batch=batch)


def ppo_controller(
    space: Space,
    seed: int = 0,
    *,
    width: int = 100,
    rate: float = 0.003,
    entropy: float = 0.01,
    batch: int = 10,
    epochs: int = 5,
    clip: float = 0.2,
    around_best: bool = False,
) -> "PolicyGradient":
    """The controller of NASNet (Zoph et al., 2018), which learns by proximal policy optimisation.

    It takes several steps on each batch of results, none of which changes probabilities much (Schulman et al., 2017).
    Published for 20,000 evaluations, with a rate of 0.00035 and an entropy of 0.00001; the defaults are for hundreds.

    Args:
        width: see :class:`PolicyGradient`, also for the other options.

    Raises:
        UsageError: a number that is not positive.
    """
    _check("ppo-controller", width=width, batch=batch, epochs=epochs, rate=rate, clip=clip, entropy=entropy)
    return PolicyGradient(
        space,
        seed,
        width=width,
        rate=rate,
        entropy=entropy,
        batch=batch,
        epochs=epochs,
        clip=clip,
        memory=0.95,
        around_best=around_best,
    )


class PolicyGradient:
    """Draws architectures from a recurrent network, and makes those more likely that turned out well.

    The reward of a result is its standing among all so far as a standard normal number, so no scale matters; its
    advantage is over the moving average of rewards. What is drawn a second time is learnt from again, without an
    evaluation; after twenty such draws in a row a mutation is proposed. Results that it did not ask for count as drawn.

    Args:
        width: of the network.
        rate: of Adam.
        entropy: how much the network is rewarded for being undecided.
        batch: results that are learnt from at a time.
        epochs: steps on each batch.
        clip: by how much of itself the probability of an architecture may change within a batch before it is no longer
            rewarded. The first step of a batch, where nothing has changed yet, is that of REINFORCE.
        memory: of the moving average of rewards that an architecture must exceed.
        around_best: whether what is drawn is the best so far with one group of choices decided anew (Auto-GNN, Zhou et
            al., 2022), the more often the less decided they are. A group is what has one name in all layers, such as
            ``kernel``. One network decides all groups, where the paper has one for each.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        *,
        width: int,
        rate: float,
        entropy: float,
        batch: int,
        epochs: int = 1,
        clip: float = math.inf,
        memory: float = 0.9,
        around_best: bool = False,
    ) -> None:
        self.width, self.rate, self.entropy, self.batch = width, rate, entropy, batch
        self.epochs, self.clip, self.memory, self.around_best = epochs, clip, memory, around_best
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
        for drawn in self._space.from_indices(self._controller.draw(self._kept(), self._sampler.rng)):
            if self._sampler.visit(drawn):
                return drawn
            if drawn in self._sampler.results:
                self._new.append(self._sampler.results[drawn])
                self._learn_from_batches()
        return self._sampler.mutate(drawn)

    def _kept(self) -> list[dict[str, int]]:
        """For each draw, what it keeps of the best so far; nothing where all is drawn."""
        results = list(self._sampler.results.values())
        if not self.around_best or not results:
            return [{} for _ in range(_DRAWS)]
        import torch

        rows = self._space.indices([results[best_first(results)[0]].architecture])
        with torch.no_grad():
            _, entropies = self._controller(rows)
        shares = group_shares(dict(zip(self._space.decision_order, entropies[0].tolist(), strict=True)))
        groups = self._sampler.rng.choice([*shares], size=_DRAWS, p=[*shares.values()])
        best = {name: int(pick) for name, pick in zip(self._space.choices, rows[0], strict=True) if pick >= 0}
        return [{name: pick for name, pick in best.items() if _group(name) != group} for group in groups]

    def _learn_from_batches(self) -> None:
        from scipy.special import ndtri

        while len(self._new) >= self.batch:
            batch = [each.architecture for each in self._new[: self.batch]]
            self._new = self._new[self.batch :]
            known = dict(zip(self._sampler.results, standings(list(self._sampler.results.values())), strict=True))
            rewards = ndtri([known[each] for each in batch])
            self._update(batch, rewards - self._expected)
            self._expected = self.memory * self._expected + (1 - self.memory) * float(rewards.mean())

    def _update(self, batch: Sequence[Architecture], advantages: Sequence[float]) -> None:
        import torch

        rows = self._space.indices(batch)
        advantage = torch.tensor(advantages, dtype=torch.float32)
        with torch.no_grad():
            before, _ = self._controller(rows)
        for _ in range(self.epochs):
            logs, undecided = self._controller(rows)
            gain = clipped_gain(logs, before, advantage, self.clip) + self.entropy * undecided.sum(dim=1)
            self._optimizer.zero_grad()
            (-gain.mean()).backward()
            self._optimizer.step()


def group_shares(entropies: Mapping[str, float]) -> dict[str, float]:
    """How often each group of choices is decided anew: in proportion to the sum of the entropies of its choices.

    >>> shares = group_shares({"0.kernel": 0.2, "1.kernel": 0.4, "0.width": 0.2})
    >>> {group: round(share, 3) for group, share in shares.items()}
    {'kernel': 0.75, 'width': 0.25}
    """
    shares: dict[str, float] = {}
    for name, entropy in entropies.items():
        shares[_group(name)] = shares.get(_group(name), 0.0) + entropy + _LEAST
    return {group: share / sum(shares.values()) for group, share in shares.items()}


def _group(choice: str) -> str:
    return choice.rpartition(".")[2]


def clipped_gain(logs: "Tensor", before: "Tensor", advantage: "Tensor", clip: float) -> "Tensor":
    """What is gained ``[n]`` by likelier architectures, but nothing by a ratio of probabilities beyond the bound.

    Args:
        logs: of their probabilities ``[n]`` now.
        before: those when the batch began.
        advantage: how much better they are than expected ``[n]``.
        clip: how far the ratio may be from 1.
    """
    ratio = (logs - before).exp()
    return (ratio * advantage).minimum(ratio.clamp(1 - clip, 1 + clip) * advantage)


def _check(strategy: str, *, entropy: float, **positive: float) -> None:
    for name, value in positive.items():
        if not 0 < value < math.inf:
            raise UsageError(f"{strategy} has {name} {value}; give a finite number above 0.")
    if not 0 <= entropy < math.inf:
        raise UsageError(f"{strategy} has entropy {entropy}; give a finite number of 0 or more.")
