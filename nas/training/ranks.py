"""Which of several processes that train together this one is, and how they agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ALONE", "Ranks"]


@dataclass(frozen=True)
class Ranks:
    """One of the processes of the default group of ``torch.distributed``; without one, the only process.

    Attributes:
        rank: number of the process.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Puts into every tensor its mean over the processes, the same bits in all of them.

        All processes give tensors of the same shapes in the same order; they travel together, once.
        """
        if self.size == 1 or not tensors:
            return
        together = torch.cat([tensor.detach().flatten() for tensor in tensors])
        torch.distributed.all_reduce(together)
        together /= self.size
        with torch.no_grad():
            means = torch.split_with_sizes(together, [tensor.numel() for tensor in tensors])
            for tensor, mean in zip(tensors, means, strict=True):
                tensor.copy_(mean.view_as(tensor))

    def agree(self, number: float, device: torch.device) -> bool:
        """Whether the number is the same in all processes; all get the same answer."""
        least = torch.tensor([number, -number], dtype=torch.float64, device=device)
        if self.size > 1:
            torch.distributed.all_reduce(least, torch.distributed.ReduceOp.MIN)
        return bool(least[0] == -least[1])


ALONE = Ranks()
