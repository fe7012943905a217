"""Few-shot supernets: a bank for each candidate of some choices."""

import math
from collections.abc import Sequence

from torch import nn

from nas.errors import UsageError
from nas.sharing.options import check_choices, check_shares
from nas.sharing.partition import Partition
from nas.space import Space

__all__ = ["FewShot"]

_LARGEST = 64


class FewShot(Partition):
    """Every candidate of the chosen choices gets weights of its own, all at once (Zhao et al., 2021).

    There are as many banks as combinations of these candidates; when the space is cut is told it, see
    :class:`nas.training.EveryCandidate`.

    Args:
        choices: by which the space is cut; by default its first choice.
        split_at: after which share of the training it is.

    Raises:
        UsageError: a share outside of 0 to 1; and when bound, an unknown choice or too many combinations.
    """

    name = "few-shot"

    def __init__(self, choices: str | Sequence[str] | None = None, split_at: float = 0.5) -> None:
        super().__init__(models=1)
        (self.split_at,) = check_shares([split_at])
        self._given = choices

    def bind(self, model: nn.Module, space: Space) -> None:
        self.by = check_choices(list(space.choices)[:1] if self._given is None else self._given, space)
        self.models = math.prod(len(space.choices[name]) for name in self.by)
        if self.models > _LARGEST:
            raise UsageError(
                f"few-shot by {self.by} takes {self.models:,} sets of weights, more than {_LARGEST}; name others, or "
                "fewer."
            )
        super().bind(model, space)

    def divide(self) -> None:
        """Cuts the space; banks take over the weights of the one that was there."""
        for name in self.by:
            for bank in range(self.used):
                if name in self.undecided(bank):
                    self.split(bank, name, [(position,) for position in self.region(bank)[name]])
