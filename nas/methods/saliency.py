"""How much the loss would change if weights were not there, from gradients that training has anyway."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nas.methods.removals import Removal
from nas.nn.channel_ranges import Region, select, write

__all__ = ["Saliency", "first_order_changes", "squared_changes"]


@torch.no_grad()
def first_order_changes(removals: Sequence[Removal]) -> Tensor:
    """By how much the loss would change if the weights of each removal were zero, to first order ``[removals]``.

    That is minus the sum of weight times gradient (Molchanov et al., 2019), by the gradients that are there, over what
    a removal takes from the inputs of layers that stay, or from their kernels, and over layers that go altogether. What
    makes a channel says the same of it once more as what reads it, and is not counted, so that widths, kernels and
    heads compare.
    """
    return torch.stack([-sum((each.sum() for each in units), torch.zeros(())) for units in _by_unit(removals)])


@torch.no_grad()
def squared_changes(removals: Sequence[Removal]) -> Tensor:
    """The same for each channel by itself, squared and summed ``[removals]``.

    A channel is an input of a layer that stays, else an output. The sum over all channels of a layer says nothing of
    them: before a batch norm it is zero, since their scale makes no difference.
    """
    return torch.stack([sum((each.square().sum() for each in units), torch.zeros(())) for units in _by_unit(removals)])


class Saliency:
    """``(sum of w * dL/dw)^2`` of the channels of each removal, see :func:`squared_changes`, averaged over minibatches
    (NViT, Yang et al., 2023).

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
        if self.removals:
            self.sums += squared_changes(self.removals).cpu()
        self.minibatches += 1

    @property
    def values(self) -> list[float]:
        """Of each removal; zeros before the first minibatch."""
        values: list[float] = (self.sums / max(1, self.minibatches)).tolist()
        return values


def _by_unit(removals: Sequence[Removal]) -> Iterator[list[Tensor]]:
    """For each removal weight times gradient, summed over each channel that goes, a vector for each parameter."""
    products = {
        parameter: parameter.float() * parameter.grad.float()
        for removal in removals
        for parameter in removal.kept
        if parameter.grad is not None
    }
    for removal in removals:
        there = {each: kept for each, kept in removal.kept.items() if each in products}
        yield [units for each, kept in there.items() for units in _units(products[each], kept)]


def _units(product: Tensor, kept: Sequence[Region]) -> Iterator[Tensor]:
    """The sum over each input that goes, or over what goes of each output; of each output where nothing stays."""
    if not kept:
        yield product.flatten(1).sum(1) if product.dim() > 1 else product
    for region in kept if product.dim() > 1 else ():
        removed = select(product, region[:1]).clone()
        inner = (((0, len(removed)),), *region[1:])
        write(removed, inner, torch.zeros_like(select(removed, inner)))
        is_narrower = len(region) > 1 and sum(stop - start for start, stop in region[1]) < product.shape[1]
        yield (removed.transpose(0, 1) if is_narrower else removed).flatten(1).sum(1)
