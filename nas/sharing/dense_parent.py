"""The largest network keeps its weights while a part of it goes on by itself."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nas.sharing.one_bank import OneBank
from nas.space import Architecture, Space

__all__ = ["DenseParent"]

_NOT_YET = -2


class DenseParent(OneBank):
    """Two sets of weights: that of the largest network, and that of a part which was cut out of it, once there is one.

    The part goes on learning while the network that it comes from stays as it is, to teach it and to be compared with
    it. Whatever is a part of the part sees its weights, all others those of the largest.

    Attributes:
        part: the largest architecture that sees weights of its own; None before one was branched off.
    """

    name = "dense-parent"

    def __init__(self) -> None:
        super().__init__(models=2)
        self.part: Architecture | None = None

    def bind(self, model: nn.Module, space: Space) -> None:
        super().bind(model, space)
        self._rank = {name: {index: rank for rank, index in enumerate(order)} for name, order in space.order.items()}

    def bank_of(self, architecture: Architecture) -> int:
        if self.part is None or architecture == self.space.largest():
            return 0
        return int(self._is_inside(architecture, self.part))

    def branch(self) -> None:
        """Gives the part weights of its own, at first those of the largest, which it is."""
        self.copy_bank(0, 1)
        self.part = self.space.largest()

    def get_extra_state(self) -> Tensor:
        """Int64 ``[choices]``: the position of the candidate that the part has of each, -1 where it has none."""
        if self.part is None:
            return torch.full((len(self.space.choices),), _NOT_YET)
        return torch.tensor(self.space.indices([self.part])[0].tolist())

    def set_extra_state(self, state: Tensor) -> None:
        positions = state.tolist()
        self.part = None if _NOT_YET in positions else self.space.from_indices([positions])[0]

    def _is_inside(self, architecture: Mapping[str, Any], part: Architecture) -> bool:
        (one, other) = self.space.indices([architecture, part]).tolist()
        return all(
            index < 0 or (limit >= 0 and self._rank[name][index] <= self._rank[name][limit])
            for name, index, limit in zip(self.space.choices, one, other, strict=True)
        )
