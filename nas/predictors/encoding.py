"""Architectures of one space as rows of numbers: one-hot choices, then what their blocks cost."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError
from nas.predictors.block_table import BlockTable
from nas.predictors.features import Features
from nas.predictors.samples import Array
from nas.space import Space

__all__ = ["Batch", "Encoding"]

Batch = Iterable[Mapping[str, Any]] | NDArray[np.integer]
"""Architectures, or an index matrix ``[n, choices]`` as :meth:`nas.space.Space.indices` gives it."""


class Encoding:
    """The columns that a predictor learns from.

    Args:
        space: whose architectures are encoded.
        features: FLOPs, bytes moved, calls by kind of layer and the like; their scale does not matter.

    Raises:
        UsageError: the features are a table of another space.

    >>> encoding = Encoding(Space({"kernel": [3, 5], "depth": [1, 2]}))
    >>> encoding([{"kernel": 5, "depth": 1}]).tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    """

    def __init__(self, space: Space, features: Features | None = None) -> None:
        self.space, self.features = space, features or BlockTable((), ())
        self.one_hot = len(space.columns)
        sizes = [len(candidates) + 1 for candidates in space.choices.values()]
        for block in self.features.blocks if isinstance(self.features, BlockTable) else ():
            if [*block.values.shape[:-1]] != [sizes[choice] for choice in block.choices if 0 <= choice < len(sizes)]:
                raise UsageError(
                    f"the table holds values of shape {block.values.shape[:-1]} for the choices {block.choices}, which "
                    "this space does not have; make the table of the same space."
                )

    @property
    def columns(self) -> list[str]:
        """A name for each column: ``choice=candidate``, then those of the features."""
        return [*self.space.columns, *self.features.columns]

    def indices(self, batch: Batch) -> NDArray[np.integer]:
        """The index matrix ``[n, choices]`` of a batch; UsageError if it is none of this space."""
        if not isinstance(batch, np.ndarray):
            return self.space.indices(batch)
        sizes = np.array([len(candidates) for candidates in self.space.choices.values()])
        fits = batch.ndim == 2 and batch.shape[1] == len(sizes) and np.issubdtype(batch.dtype, np.integer)
        if not fits or (batch < -1).any() or (batch >= sizes).any():
            raise UsageError(
                f"the index matrix has shape {batch.shape} and type {batch.dtype}, but it must hold [n, {len(sizes)}] "
                "indices of candidates, -1 where a choice is inactive; make it with Space.indices()."
            )
        return batch

    def __call__(self, batch: Batch) -> Array:
        """Columns ``[n, columns]``, the one-hot ones first."""
        indices = self.indices(batch)
        return np.hstack([self.space.one_hot(indices), self.features(indices)], dtype=np.float64)
