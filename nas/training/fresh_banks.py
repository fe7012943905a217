"""Banks that begin anew in the middle of a training."""

import torch

from nas.sharing.bank import fresh
from nas.sharing.one_bank import OneBank
from nas.streams import Stream, derive_seed
from nas.supernet import Supernet
from nas.training.context import Context
from nas.training.listener import Listener

__all__ = ["FreshBanks"]


class FreshBanks(Listener):
    """Gives every bank fresh weights and statistics of its own when a phase begins (Hu et al., 2022, "restart").

    Args:
        supernet: to train.
        scheme: its sharing scheme.
        seed: of the run.
    """

    def __init__(self, supernet: Supernet, scheme: OneBank, seed: int) -> None:
        self.supernet, self.scheme, self.seed = supernet, scheme, seed

    @torch.no_grad()
    def begin(self, context: Context) -> None:
        for bank in range(self.scheme.banks):
            values = fresh(self.supernet.model, derive_seed(self.seed, Stream.RESTARTED_BANKS, context.phase, bank))
            for name, tensor in self.scheme.tensors(bank).items():
                tensor.copy_(values[name])
