"""What predictors see of networks whose costs are no sums over a table: each network is traced when it is asked for."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nas.costs.per_block import block_costs, columns
from nas.costs.static import StaticCosts, Work
from nas.space import Architecture

__all__ = ["NetworkFeatures"]

_MOST_KEPT = 1 << 17
_STATIC = ("params", "flops", "peak_memory_bytes", "weight_bytes_int8")


class NetworkFeatures:
    """Exact static costs, bytes moved, depth, and sums by kind of layer, network by network.

    A segment is traced once for the choices it reads and the shape it gets, so a model that is a sequence of blocks
    costs look-ups, and one that is a single segment about as much as running it on the meta device. Rows are kept.

    Args:
        costs: of the space.
        names: the columns; all by default.
    """

    def __init__(self, costs: StaticCosts, names: Sequence[str] | None = None) -> None:
        self.costs = costs
        everything = [*_STATIC, *(name for name in columns() if name not in _STATIC)]
        self.columns = tuple(everything if names is None else names)
        self._kept = [everything.index(name) for name in self.columns]
        self._blocks: dict[Work, NDArray[np.float64]] = {}
        self._row = lru_cache(_MOST_KEPT)(self._traced)

    def __call__(self, indices: NDArray[np.integer]) -> NDArray[np.float64]:
        """Rows ``[n, columns]`` for an index matrix ``[n, choices]`` with -1 where a choice is inactive."""
        space = self.costs.supernet.space
        rows = [self._row(architecture) for architecture in space.from_indices(indices)]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.columns))

    def part(self, names: Sequence[str]) -> "NetworkFeatures":
        """Only these columns."""
        return NetworkFeatures(self.costs, names)

    def state(self) -> dict[str, NDArray[np.str_]]:
        """The names of the columns, for an npz file; the rest follows from the space."""
        return {"traced": np.array(self.columns, dtype=np.str_)}

    def _traced(self, architecture: Architecture) -> NDArray[np.float64]:
        static = self.costs(architecture)
        sums = dict(zip(columns(), self._sums(architecture), strict=True))
        values = [*(static[name] for name in _STATIC), *(sums[name] for name in columns() if name not in _STATIC)]
        return np.array(values, dtype=np.float64)[self._kept]

    def _sums(self, architecture: Architecture) -> NDArray[np.float64]:
        """What :func:`block_costs` tells, summed over the active blocks."""
        total = np.zeros(len(columns()))
        for work, segment in self.costs.walk(architecture):
            if work not in self._blocks:
                module, example = self.costs.plain(work, segment)
                self._blocks[work] = np.array(block_costs(module, [example]))
            total += self._blocks[work]
        return total
