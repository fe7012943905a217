"""Few-shot supernets: a bank for each candidate of some choices."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch import nn

from nas.errors import UsageError
from nas.sharing.grouping import mean_between
from nas.sharing.options import check_choices, check_shares
from nas.sharing.partition import Partition
from nas.space import Space

__all__ = ["FewShot"]

_LARGEST = 64


class FewShot(Partition):
    """Every candidate of the chosen choices gets weights of its own, all at once (Zhao et al., 2021).

    There are as many banks as combinations of these candidates; when the space is cut is told it, see
    :class:`nas.training.EveryCandidate`. Where no choice is named it is the one whose candidates have gradients that
    are farthest apart when the space is cut; the authors name an edge.

    Args:
        choices: by which the space is cut; by default one choice, found by gradients.
        split_at: after which share of the training it is; the authors train the net of all for 600 epochs and each of
            the others for 300.
        repeats: how many batches gradients are compared on, where no choice is named.

    Raises:
        UsageError: a share outside of 0 to 1, or fewer repeats than one; and when bound, an unknown choice or too many
            combinations.
    """

    name = "few-shot"

    def __init__(self, choices: str | Sequence[str] | None = None, split_at: float = 0.5, repeats: int = 5) -> None:
        super().__init__(models=1)
        if repeats < 1:
            raise UsageError(f"few-shot has repeats={repeats}; give 1 or more.")
        (self.split_at,) = check_shares([split_at])
        self.repeats, self._given = repeats, choices

    def bind(self, model: nn.Module, space: Space) -> None:
        sizes = {name: len(candidates) for name, candidates in space.choices.items()}
        if self._given is None:
            self.by: list[str] = []
            self.models = max((size for size in sizes.values() if size <= _LARGEST), default=min(sizes.values()))
        else:
            self.named = self.by = check_choices(self._given, space)
            self.models = math.prod(sizes[name] for name in self.by)
        if self.models > _LARGEST:
            raise UsageError(
                f"few-shot by {self.by or 'one choice'} takes {self.models:,} sets of weights, more than {_LARGEST}; "
                "name others, or fewer."
            )
        super().bind(model, space)

    @property
    def open(self) -> list[str]:
        """The choices of which one is to be found by gradients; none where they are named, or it was found."""
        if self.by or self.divisions:
            return []
        return [name for name in self.undecided(0) if len(self.space.choices[name]) <= self.models]

    def choose(self, distances: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Names the choice whose candidates are farthest apart on average.

        Args:
            distances: for each choice that may be named ``[k, k]`` between its k candidates.

        Raises:
            UsageError: there is none.
        """
        if not distances:
            raise UsageError(
                "few-shot finds no choice of which two candidates can be compared; name one with sharing_args.choices."
            )
        alone = {name: [(position,) for position in range(len(each))] for name, each in distances.items()}
        self.by = [max(distances, key=lambda name: mean_between(distances[name], alone[name]))]

    def divide(self) -> None:
        """Cuts the space; banks take over the weights of the one that was there."""
        for name in self.by:
            for bank in range(self.used):
                if name in self.undecided(bank):
                    self.split(bank, name, [(position,) for position in self.region(bank)[name]])
