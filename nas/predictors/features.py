"""What a predictor may see of an architecture besides its choices."""

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from nas.predictors.samples import Array

__all__ = ["Features"]


class Features(Protocol):
    """Numbers of architectures, such as FLOPs: a :class:`~nas.predictors.BlockTable`, or traced network by network."""

    columns: tuple[str, ...]

    def __call__(self, indices: NDArray[np.integer]) -> Array:
        """Rows ``[n, columns]`` for an index matrix ``[n, choices]`` with -1 where a choice is inactive."""

    def part(self, columns: Sequence[str]) -> Self:
        """Only these columns."""

    def state(self) -> dict[str, NDArray[Any]]:
        """What a saved predictor keeps of them, as arrays by name."""
