"""Numbers that add up over the blocks of an architecture, looked up in bulk."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import UsageError, did_you_mean
from nas.predictors.samples import Array

__all__ = ["BlockTable", "BlockValues"]

_ROWS = 1 << 16


@dataclass(frozen=True, eq=False)
class BlockValues:
    """What one block adds, by the candidates of the choices that it reads.

    Attributes:
        choices: their columns in an index matrix.
        values: ``[candidates + 1, ..., columns]``, an axis a choice; the last entry of an axis is for the choice
            being inactive, so that index -1 finds it.
    """

    choices: tuple[int, ...]
    values: Array


class BlockTable:
    """Sums of block values for any number of architectures.

    Args:
        columns: a name for each number.
        blocks: what each block adds.

    Raises:
        UsageError: two columns of one name.
    """

    def __init__(self, columns: Sequence[str], blocks: Sequence[BlockValues]) -> None:
        self.columns = tuple(columns)
        if len(set(columns)) < len(self.columns):
            raise UsageError(f"a table has the columns {', '.join(self.columns)}; give each a name of its own.")
        self.blocks = _merged(blocks)

    def __call__(self, indices: NDArray[np.integer]) -> Array:
        """Sums ``[n, columns]`` for an index matrix ``[n, choices]`` with -1 where a choice is inactive."""
        sums = np.zeros((len(indices), len(self.columns)))
        flat = [block.values.reshape(math.prod(block.values.shape[:-1]), len(self.columns)) for block in self.blocks]
        for start in range(0, len(indices), _ROWS):
            rows = indices[start : start + _ROWS].astype(np.int64)
            for block, values in zip(self.blocks, flat, strict=True):
                sums[start : start + _ROWS] += values[_positions(block, rows)]
        return sums

    def part(self, columns: Sequence[str]) -> "BlockTable":
        """The table with only these columns; UsageError if it has none of that name."""
        for name in columns:
            if name not in self.columns:
                raise UsageError(f"the table has no column '{name}'; {did_you_mean(name, self.columns)}")
        kept = [self.columns.index(name) for name in columns]
        return BlockTable(columns, [BlockValues(each.choices, each.values[..., kept]) for each in self.blocks])

    @classmethod
    def joined(cls, tables: Sequence["BlockTable"]) -> "BlockTable":
        """The columns of all tables side by side, but for those that are always zero."""
        columns = [name for table in tables for name in table.columns]
        blocks, start = [], 0
        for table in tables:
            own = slice(start, start := start + len(table.columns))
            for block in table.blocks:
                values = np.zeros((*block.values.shape[:-1], len(columns)))
                values[..., own] = block.values
                blocks.append(BlockValues(block.choices, values))
        joined = cls(columns, blocks)
        used = {name for block in joined.blocks for name in _used(columns, block.values)}
        return joined.part([name for name in columns if name in used])

    def weighted(self, column: str, weights: Array) -> "BlockTable":
        """The table of one column, the sum of all columns times ``weights`` ``[columns]``."""
        return BlockTable([column], [BlockValues(each.choices, each.values @ weights[:, None]) for each in self.blocks])

    def state(self) -> dict[str, NDArray[Any]]:
        """The table as arrays by name, for an npz file."""
        choices = {f"choices{number}": np.array(each.choices, np.int64) for number, each in enumerate(self.blocks)}
        values = {f"values{number}": each.values for number, each in enumerate(self.blocks)}
        count = np.array(len(self.blocks))
        return {"columns": np.array(self.columns, dtype=np.str_), "blocks": count, **choices, **values}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> "BlockTable":
        """What `state` gave; KeyError or ValueError if the arrays do not fit together."""
        columns = [str(name) for name in state["columns"]]
        blocks: list[BlockValues] = []
        for number in range(int(state["blocks"])):
            choices = tuple(map(int, state[f"choices{number}"]))
            values = np.asarray(state[f"values{number}"], dtype=np.float64)
            if values.ndim != len(choices) + 1 or values.shape[-1] != len(columns):
                raise ValueError(f"values of shape {values.shape} for {len(choices)} choices, {len(columns)} columns")
            blocks.append(BlockValues(choices, values))
        return cls(columns, blocks)


def _used(columns: Sequence[str], values: Array) -> list[str]:
    return [columns[int(place)] for place in np.flatnonzero(values.any(tuple(range(values.ndim - 1))))]


def _positions(block: BlockValues, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the flattened values of a block for the rows of an index matrix."""
    position = np.zeros(len(indices), dtype=np.int64)
    for choice, size in zip(block.choices, block.values.shape, strict=False):
        position = position * size + indices[:, choice] % size
    return position


def _merged(blocks: Sequence[BlockValues]) -> list[BlockValues]:
    """The same sums with one block for each set of choices: the cells of a cell space are alike."""
    merged: dict[tuple[int, ...], Array] = {}
    for block in blocks:
        known = merged.get(block.choices)
        merged[block.choices] = block.values if known is None else known + block.values
    return [BlockValues(choices, values) for choices, values in merged.items()]
