"""How much the loss would change if weights were not there, from gradients that training has anyway."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nas.methods.removals import Removal
from nas.nn.channel_ranges import Region, select

__all__ = ["Saliency", "first_order_changes"]


@torch.no_grad()
def first_order_changes(removals: Sequence[Removal]) -> Tensor:
    """By how much the loss would change if the weights of each removal were zero, to first order ``[removals]``.

    That is minus the sum of weight times gradient (Molchanov et al., 2019), by the gradients that are there, over what
    a removal takes from the inputs of layers that stay, or from their kernels, and over layers that go altogether. What
    makes a channel says the same of it once more as what reads it, and is not counted, so that widths, kernels and
    heads compare.
    """
    products = {
        parameter: parameter * parameter.grad
        for removal in removals
        for parameter in removal.kept
        if parameter.grad is not None
    }
    found = []
    for removal in removals:
        parts = [_removed(products[each], kept) for each, kept in removal.kept.items() if each in products]
        found.append(-torch.stack(parts).sum() if parts else torch.zeros(()))
    return torch.stack([each.float().cpu() for each in found]) if found else torch.zeros(0)


def _removed(product: Tensor, kept: Sequence[Region]) -> Tensor:
    """The sum over what goes from the outputs that stay; over everything where nothing stays."""
    if not kept:
        return product.sum()
    return torch.stack([select(product, each[:1]).sum() - select(product, each).sum() for each in kept]).sum()


class Saliency:
    """``(sum of w * dL/dw)^2`` of each removal, averaged over minibatches (NViT, Yang et al., 2023); of which weights
    that is the sum, :func:`first_order_changes` says.

    Near a minimum first-order changes cancel over minibatches, and their squares do not: these stand for the diagonal
    of the Hessian, by the usual argument of Fisher.

    Args:
        removals: of a network that is trained.
    """

    def __init__(self, removals: Sequence[Removal]) -> None:
        self.removals = removals
        self.sums, self.minibatches = torch.zeros(len(removals)), 0

    def add(self) -> None:
        """Takes the gradients of a minibatch, which are in the weights."""
        self.sums += first_order_changes(self.removals).square()
        self.minibatches += 1

    @property
    def values(self) -> list[float]:
        """Of each removal; zeros before the first minibatch."""
        values: list[float] = (self.sums / max(1, self.minibatches)).tolist()
        return values
