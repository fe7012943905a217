"""The running statistics of batch norm: whose they are, and doing without them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.nn.modes import evaluating

__all__ = ["Statistics", "averaging", "batch_norms", "batch_statistics", "fresh_statistics", "install", "restoring"]

Statistics = Mapping[_BatchNorm, tuple[Tensor, Tensor, Tensor]]
"""Running mean, running variance and number of batches of each batch norm."""


def batch_norms(modules: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Those of the modules that keep running statistics."""
    return [module for module in modules if isinstance(module, _BatchNorm) and module.running_mean is not None]


def _current_statistics(norms: Iterable[_BatchNorm]) -> Statistics:
    """The tensors that the batch norms use now."""
    return {norm: (norm.running_mean, norm.running_var, norm.num_batches_tracked) for norm in norms}  # type: ignore[misc]


def fresh_statistics(norms: Iterable[_BatchNorm]) -> Statistics:
    """Statistics over no batch yet."""
    return {
        norm: (torch.zeros_like(mean), torch.ones_like(variance), torch.zeros_like(batches))
        for norm, (mean, variance, batches) in _current_statistics(norms).items()
    }


def install(statistics: Statistics) -> None:
    """Makes the batch norms use, and in training mode update, these statistics."""
    for norm, (mean, variance, batches) in statistics.items():
        norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, variance, batches


@contextmanager
def restoring(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Puts the batch norms' own statistics back when it is left."""
    before = _current_statistics(norms)
    try:
        yield
    finally:
        install(before)


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


@contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """Within it batch norm uses the statistics of the batch, and everything else is in evaluation mode.

    Afterwards all modes and statistics are what they were.
    """
    norms = batch_norms(network.modules())
    with evaluating(network), restoring(norms):
        install(fresh_statistics(norms))
        with averaging(norms):
            yield
