"""What predictors see of an architecture besides its choices, from a table so that a million take seconds."""

import numpy as np
from numpy.typing import NDArray

from nas.costs.per_block import block_costs, columns
from nas.hardware.catalogue import Catalogue
from nas.hardware.cell_graphs import graph_table
from nas.predictors import BlockTable

__all__ = ["feature_table"]


def feature_table(catalogue: Catalogue, milliseconds: NDArray[np.float64] | None = None) -> BlockTable:
    """Sums over blocks: FLOPs, parameters, bytes moved, depth, sums by kind of layer, and the shape of cells.

    FLOPs and parameters are exact where no two blocks share weights and all work is done in blocks.

    Args:
        catalogue: the blocks of a space.
        milliseconds: ``[blocks]``, what was measured of each; its sum is the column ``ms``, and where cells have dead
            edges ``live ms`` is that of the others.
    """
    names = columns()
    values = np.array([block_costs(block.module, block.inputs) for block in catalogue.blocks])
    if milliseconds is not None:
        names, values = ["ms", *names], np.column_stack([milliseconds, values])
    return BlockTable.joined([catalogue.table(names, values), graph_table(catalogue, names, values)])
