"""Batch-norm statistics for the very network that is evaluated.

Under weight sharing the running statistics are those of whichever architecture ran last. They are reset and
averaged anew over training batches, for each architecture by itself (Yu and Huang, 2019; Guo et al., 2020).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["Statistics", "averaging", "batch_norms", "current_statistics", "fresh_statistics", "install", "recalibrate"]

Statistics = Mapping[_BatchNorm, tuple[Tensor, Tensor, Tensor]]
"""Running mean, running variance and number of batches of each batch norm."""


def batch_norms(modules: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Those of the modules that keep running statistics."""
    return [module for module in modules if isinstance(module, _BatchNorm) and module.running_mean is not None]


def current_statistics(norms: Iterable[_BatchNorm]) -> Statistics:
    """The tensors that the batch norms use now."""
    return {norm: (norm.running_mean, norm.running_var, norm.num_batches_tracked) for norm in norms}  # type: ignore[misc]


def fresh_statistics(norms: Iterable[_BatchNorm]) -> Statistics:
    """Statistics over no batch yet."""
    return {
        norm: (torch.zeros_like(mean), torch.ones_like(variance), torch.zeros_like(batches))
        for norm, (mean, variance, batches) in current_statistics(norms).items()
    }


def install(statistics: Statistics) -> None:
    """Makes the batch norms use, and in training mode update, these statistics."""
    for norm, (mean, variance, batches) in statistics.items():
        norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, variance, batches


@contextmanager
def averaging(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Within it the batch norms normalise by the batch and average their statistics over all batches alike."""
    before = [(norm, norm.training, norm.momentum) for norm in norms]
    for norm, _, _ in before:
        norm.train()
        norm.momentum = None
    try:
        yield
    finally:
        for norm, training, momentum in before:
            norm.train(training)
            norm.momentum = momentum


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Replaces the batch-norm statistics of a network by averages over batches of training images.

    Everything but batch norm runs in evaluation mode. A network without batch norm is left as it is.
    """
    norms = batch_norms(network.modules())
    network.eval()
    if norms:
        install(fresh_statistics(norms))
        with averaging(norms):
            for x in batches:
                network(x)
    return network
