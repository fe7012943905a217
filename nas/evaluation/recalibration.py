"""Batch-norm statistics for the very network that is evaluated.

Under weight sharing the running statistics are those of whichever architecture ran last. They are reset and
averaged anew over training batches, for each architecture by itself (Yu and Huang, 2019; Guo et al., 2020).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from nas.nn.batch_norms import averaging, batch_norms, fresh_statistics, install

__all__ = ["recalibrate"]


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
