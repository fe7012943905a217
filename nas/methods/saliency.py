"""How much the loss would change if weights were not there, from gradients that training has anyway."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nas.methods.removals import Removal
from nas.nn.channel_ranges import select

__all__ = ["Saliency", "first_order_changes"]


@torch.no_grad()
def first_order_changes(removals: Sequence[Removal]) -> Tensor:
    """By how much the loss would change if the weights of each removal were zero, to first order ``[removals]``.

    That is minus the sum of weight times gradient over the weights that are removed (Molchanov et al., 2019), by the
    gradients that are there. A layer whose outputs are gone has them counted with the layer that reads them, too, so
    changes compare removals, and do not tell the loss itself.
    """
    products = {
        parameter: parameter * parameter.grad
        for removal in removals
        for parameter in removal.kept
        if parameter.grad is not None
    }
    totals = {parameter: product.sum() for parameter, product in products.items()}
    found = []
    for removal in removals:
        kept = {parameter: regions for parameter, regions in removal.kept.items() if parameter in products}
        parts = [totals[each] for each in kept]
        parts += [-select(products[each], region).sum() for each, regions in kept.items() for region in regions]
        found.append(-torch.stack(parts).sum() if parts else torch.zeros(()))
    return torch.stack([each.float().cpu() for each in found]) if found else torch.zeros(0)


class Saliency:
    """``(sum of w * dL/dw)^2`` of each removal, averaged over minibatches (NViT, Yang et al., 2023).

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
