"""Pruning the smallest weights of a model while it trains."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.training import Context, Listener

__all__ = ["MagnitudePruning"]

_STEP = 0.1


class MagnitudePruning(Listener):
    """Zeroes the smallest of all weights, more of them time and again (SuperTickets, You et al., 2022).

    The share of zeros rises by a tenth at even distances. Weights that were zeroed learn on and may come back, until
    the last time, from which on they stay zero. Weights are matrices and kernels; biases and scales are kept.

    Args:
        model: what is trained.
        sparsity: share of the weights that are zero in the end.
        until: share of the recipe after which it is reached.

    Raises:
        UsageError: a share is not between 0 and 1.
    """

    def __init__(self, model: nn.Module, sparsity: float, until: float = 0.75) -> None:
        if not (0 < sparsity < 1 and 0 < until <= 1):
            raise UsageError(f"pruning got sparsity={sparsity:g} and until={until:g}; both must be between 0 and 1.")
        self.sparsity, self.until = sparsity, until
        self._weights = {name: each for name, each in model.named_parameters() if each.dim() > 1}
        self._times, self._kept = 0, dict[str, Tensor]()

    @property
    def times(self) -> int:
        """How many times weights are pruned."""
        return math.ceil(self.sparsity / _STEP - 1e-9)

    def share(self, time: int) -> float:
        """Of the weights that are zero after so many times."""
        return min(_STEP * time, self.sparsity)

    def before_step(self, context: Context) -> None:
        """Prunes if it is time to."""
        time = min(self.times, int(context.progress * self.times / self.until + 1e-9))
        if time > self._times:
            self._times = time
            kept = self._zero(self.share(time))
            if time == self.times:
                self._kept = kept
                self._forget(context.optimizer)

    @torch.no_grad()
    def after_step(self, context: Context) -> None:
        """What was pruned for good gets no gradient."""
        for name, kept in self._kept.items():
            gradient = self._weights[name].grad
            if gradient is not None:
                gradient.mul_(kept)

    def record(self) -> dict[str, Any]:
        """The share of zeros."""
        zeros = sum(int((each == 0).sum()) for each in self._weights.values())
        return {"sparsity": zeros / sum(each.numel() for each in self._weights.values())}

    def state(self) -> dict[str, Tensor]:
        return {"times": torch.tensor(self._times), **{f"kept/{name}": each for name, each in self._kept.items()}}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._times = int(state["times"])
        self._kept = {
            key.removeprefix("kept/"): each.to(self._weights[key.removeprefix("kept/")].device, copy=True)
            for key, each in state.items()
            if key != "times"
        }

    @torch.no_grad()
    def _zero(self, share: float) -> dict[str, Tensor]:
        """Zeroes the smallest weights; which of each parameter are left."""
        sizes = torch.cat([each.abs().flatten() for each in self._weights.values()])
        kept = torch.ones_like(sizes, dtype=torch.bool)
        kept[sizes.argsort(stable=True)[: round(share * len(sizes))]] = False
        parts = torch.split_with_sizes(kept, [each.numel() for each in self._weights.values()])
        found = {name: part.view_as(self._weights[name]) for name, part in zip(self._weights, parts, strict=True)}
        for name, part in found.items():
            self._weights[name].mul_(part)
        return found

    @torch.no_grad()
    def _forget(self, optimizer: torch.optim.Optimizer | None) -> None:
        """The optimiser's momentum would bring back what is pruned for good."""
        for name, kept in self._kept.items():
            for value in ({} if optimizer is None else optimizer.state.get(self._weights[name], {})).values():
                if torch.is_tensor(value) and value.shape == kept.shape:
                    value.mul_(kept)
