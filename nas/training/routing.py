"""Whether routed experts came to be used and to differ: two numbers after the training."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from nas.sharing import RoutedExperts
from nas.space import Space
from nas.streams import Stream, rng
from nas.training.context import Context
from nas.training.listener import Listener

__all__ = ["Routing"]

_ARCHITECTURES = 16


class Routing(Listener):
    """Compares gates and experts after the last step.

    The epoch in which the training ends records under ``routing``:

    - ``gates``: how much of the weight of the gates two random architectures give to other experts, from 0, where
      routing takes no notice of the architecture, to 1; the mean over routers and pairs of 16 architectures;
    - ``experts``: see :meth:`~nas.sharing.RoutedExperts.distance_of_experts`.

    Args:
        space: whose architectures are routed.
        experts: the sharing scheme.
        seed: of the architectures.
    """

    def __init__(self, space: Space, experts: RoutedExperts, seed: int = 0) -> None:
        self.experts = experts
        draws = rng(seed, Stream.ROUTED_ARCHITECTURES)
        self._architectures = [space.sample(draws) for _ in range(_ARCHITECTURES)]
        self._found: dict[str, float] = {}

    def after_step(self, context: Context) -> None:
        if context.recipe_step + 1 == context.recipe_steps and self.experts.experts > 1:
            self._found = {"gates": self._distance_of_gates(), "experts": self.experts.distance_of_experts()}

    def record(self) -> dict[str, Any]:
        found, self._found = self._found, {}
        return {"routing": found} if found else {}

    @torch.no_grad()
    def _distance_of_gates(self) -> float:
        routed = [self.experts.gates(each) for each in self._architectures]
        pairs = [_distance(one, other) for one, other in combinations(routed, 2)]
        return float(torch.stack(pairs).mean())


def _distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Tensor:
    """Total variation between gates ``[rows, experts]``, the mean over rows and routers."""
    return torch.stack([(one[name] - other[name]).abs().sum(-1).mean() / 2 for name in one]).mean()
