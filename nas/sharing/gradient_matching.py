"""Gradient matching: candidates whose gradients agree go on sharing weights."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from torch import nn

from nas.errors import UsageError
from nas.sharing.grouping import GroupSizes, best_grouping, count_partitions, mean_between
from nas.sharing.options import check_choices, check_shares
from nas.sharing.partition import Partition
from nas.space import Space

__all__ = ["GradientMatching"]

_MOST_WAYS = 100_000


class GradientMatching(Partition):
    """Regions are cut where the gradients of the candidates disagree most (Hu et al., 2022).

    At every split all regions are cut, each by a choice of its own, so there are ``groups ** len(split_at)`` banks. How
    far apart the gradients are is told it, see :class:`nas.training.ByGradients`.

    Args:
        split_at: after which shares of the training regions are cut; by default a quarter and half, as published on
            NAS-Bench-201 (epochs 15, 30 and 30 more).
        groups: into how many parts a region is cut.
        sizes: ``equal``, numbers of candidates of the parts differ by one at most, as published on NAS-Bench-201; or
            ``any``, as published for operations and kernels.
        choices: by which regions may be cut; by default all.
        repeats: how many batches gradients are compared on; 100 as published.

    Raises:
        UsageError: shares outside of 0 to 1, or numbers below one; and when bound, an unknown choice or one of so many
            candidates that not all ways to group them can be tried.
    """

    name = "gradient-matching"

    def __init__(
        self,
        split_at: Sequence[float] = (0.25, 0.5),
        groups: int = 2,
        choices: str | Sequence[str] | None = None,
        repeats: int = 20,
        sizes: GroupSizes = "equal",
    ) -> None:
        for option, value in (("groups", groups), ("repeats", repeats)):
            if value < 1:
                raise UsageError(f"gradient matching has {option}={value}; give 1 or more.")
        super().__init__(models=groups ** len(check_shares(split_at)))
        self.split_at, self.groups, self.repeats, self._given = list(split_at), groups, repeats, choices
        self.sizes: GroupSizes = sizes

    def bind(self, model: nn.Module, space: Space) -> None:
        self.by = check_choices(list(space.choices) if self._given is None else self._given, space)
        self.named = [] if self._given is None else self.by
        for name in self.by:
            size = len(space.choices[name])
            if count_partitions(size, min(self.groups, size), self.sizes) > _MOST_WAYS:
                raise UsageError(
                    f"choice '{name}' has {size} candidates, too many to try all ways to put them into {self.groups} "
                    "groups; name the choices to split by, without this one."
                )
        super().bind(model, space)

    def splittable(self, bank: int) -> list[str]:
        """The choices by which the region of a bank can be cut."""
        return [name for name in self.undecided(bank) if name in self.by]

    def update(self, bank: int, distances: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Cuts the region of a bank by the choice whose groups are farthest apart on average.

        As published the sum of the distances between groups decides, which is the same where all choices have equally
        many candidates, and else favours choices with many.

        Args:
            distances: for each choice that may decide ``[k, k]`` between its k candidates in the region; none for a
                region of a single architecture.
        """
        groupings = {name: best_grouping(matrix, self.groups, self.sizes) for name, matrix in distances.items()}
        if not groupings:
            return
        choice = max(groupings, key=lambda name: mean_between(distances[name], groupings[name]))
        region = self.region(bank)[choice]
        self.split(bank, choice, [[region[index] for index in group] for group in groupings[choice]])
