"""What a network made of each example, added up batch by batch."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from nas.tasks.intervals import Floats, Groups

__all__ = ["Tally"]


class Tally(ABC):
    """Takes the outputs of a network for the batches of a split, and tells what they are worth; to be extended.

    Args:
        groups: ``[examples]``, equal for copies of one example, in the order in which they are added.
    """

    def __init__(self, groups: Groups | None = None) -> None:
        self.groups = groups
        self._results: list[Tensor] = []

    @abstractmethod
    def add(self, output: Tensor, target: Tensor) -> None:
        """Counts the output for a batch, and what it should have been."""

    @property
    def results(self) -> Floats:
        """What each example says of the network ``[examples]``, by whose mean networks are compared pair by pair.

        More of it is better or worse as more of the metric is.
        """
        return torch.cat(self._results).double().cpu().numpy()

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """The metric with its 95 % interval, then the other figures, then the loss; see the task's ``columns``."""

    @property
    @abstractmethod
    def score(self) -> float:
        """How well the network does, from 0 to 1: for those that learn from it, to whom more must be better."""
