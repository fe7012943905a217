"""The largest network keeps its weights while a part of them goes on by itself."""

import torch
from torch import Tensor

from nas.sharing.one_bank import OneBank
from nas.space import Architecture

__all__ = ["DenseParent"]


class DenseParent(OneBank):
    """Two sets of weights: the largest architecture sees one, all others see the other once it was branched off.

    A network that is pruned goes on learning while the one that it was cut out of stays as it is, to teach it and to be
    compared with it.
    """

    name = "dense-parent"

    def __init__(self) -> None:
        super().__init__(models=2)
        self.branched = False

    def bank_of(self, architecture: Architecture) -> int:
        return 1 if self.branched and architecture != self.space.largest() else 0

    def branch(self) -> None:
        """Gives all others weights of their own, which are those of the largest at first."""
        self.copy_bank(0, 1)
        self.branched = True

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.branched)

    def set_extra_state(self, state: Tensor) -> None:
        self.branched = bool(state)
