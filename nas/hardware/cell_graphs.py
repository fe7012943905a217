"""What a runtime makes of a cell: it drops edges that lead nowhere and computes beforehand what depends on no input.

So whether an edge costs anything depends on the others, and a cell is one entry for each of its architectures.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.hardware.catalogue import Catalogue
from nas.nn import Cell, OneOf, Zero
from nas.predictors import BlockTable, BlockValues

__all__ = ["graph_columns", "graph_table"]

_MOST_COMBINATIONS = 20_000
_SHAPE = ("connected", "edges", "merges", "sources", "targets", "repeats", "constants", "nodes with constants")

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def graph_columns(columns: Sequence[str]) -> list[str]:
    """The names of the numbers of :func:`graph_table`."""
    return [*(f"live {name}" for name in columns), *(f"constant {name}" for name in columns), *_SHAPE]


def graph_table(catalogue: Catalogue, columns: Sequence[str], values: Floats) -> BlockTable:
    """Sums over the cells of an architecture.

    An edge is *live* if it carries something from an input to the output, and *constant* if it carries what depends
    on no input there. For both the sums of ``values`` over such edges; then for each cell whether it is connected, how
    often live edges merge, how many nodes feed live edges with weights, and how many constant edges enter how many
    live nodes.
    Left out are cells that have more than 20,000 architectures, or edges that hold other choices than that of
    their operation.

    Args:
        columns: a name for each number.
        values: ``[blocks, columns]``, what each block of the catalogue adds.
    """
    cells = [(path, each) for path, each in catalogue.supernet.model.named_modules() if isinstance(each, Cell)]
    tables = (_cell_values(catalogue, path, cell, values) for path, cell in cells)
    return BlockTable(graph_columns(columns), [table for table in tables if table is not None])


def _cell_values(catalogue: Catalogue, path: str, cell: Cell, values: Floats) -> BlockValues | None:
    space, order = catalogue.space, list(catalogue.space.choices)
    modules = [cell.edge(*edge) for edge in cell.edges]
    edges = [each for each in modules if isinstance(each, OneOf)]
    deciding = [catalogue.supernet.name_of(edge.choice) for edge in edges]
    names = sorted(set(deciding), key=order.index)
    sizes = [len(space.choices[name]) for name in names]
    if len(edges) < len(modules) or set(catalogue.supernet.read_by(path)) != set(names):
        return None
    if math.prod(sizes) > _MOST_COMBINATIONS:
        return None
    combinations = np.indices(sizes).reshape(len(sizes), -1).T
    picked = combinations[:, [names.index(name) for name in deciding]]
    paths = [f"{path}.edge_{source}_{node}" for source, node in cell.edges]
    added = np.stack(
        [_edge_values(catalogue, *each, values)[picked[:, i]] for i, each in enumerate(zip(paths, edges, strict=True))]
    )
    zero = np.stack([_zero(edge)[picked[:, i]] for i, edge in enumerate(edges)], 1)
    weighted = np.stack([_weighted(edge)[picked[:, i]] for i, edge in enumerate(edges)], 1)
    table = np.zeros([*(size + 1 for size in sizes), 2 * values.shape[1] + len(_SHAPE)])
    table[tuple(map(slice, sizes))] = _sums(cell, zero, weighted, added).reshape(*sizes, -1)
    return BlockValues(tuple(order.index(name) for name in names), table)


def _sums(cell: Cell, zero: Flags, weighted: Flags, added: Floats) -> Floats:
    """The numbers of a cell ``[n, columns]`` from those of its edges ``[edges, n, columns]``."""
    reached, needed = cell.reach(zero)
    sources, nodes = np.array(cell.edges).T
    used = ~zero & needed[:, nodes]
    live, constant = used & reached[:, sources], used & ~reached[:, sources]
    entering = _by_node(cell, live, nodes)
    disturbed = _by_node(cell, constant & reached[:, nodes], nodes)
    shape = [
        live.any(1),
        live.sum(1),
        np.maximum(entering - 1, 0).sum(1),
        (_by_node(cell, live & weighted, sources) > 0).sum(1),
        (_by_node(cell, live & weighted, nodes) > 0).sum(1),
        np.maximum(_by_node(cell, live & ~weighted & (added.sum(2).T > 0), sources) - 1, 0).sum(1),
        disturbed.sum(1),
        (disturbed > 0).sum(1),
    ]
    return np.hstack(
        [np.einsum("ne,enc->nc", live, added), np.einsum("ne,enc->nc", constant, added), np.stack(shape, 1)]
    )


def _by_node(cell: Cell, flags: Flags, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many flagged edges ``[n, edges]`` each node ``[n, nodes]`` has, as ``nodes`` says whose they are."""
    return flags.astype(np.int64) @ np.eye(cell.nodes, dtype=np.int64)[nodes]


def _zero(edge: OneOf) -> Flags:
    return np.array([isinstance(edge[candidate], Zero) for candidate in edge.choice.candidates])


def _weighted(edge: OneOf) -> Flags:
    return np.array([any(True for _ in edge[candidate].parameters()) for candidate in edge.choice.candidates])


def _edge_values(catalogue: Catalogue, path: str, edge: OneOf, values: Floats) -> Floats:
    """What each candidate ``[candidates, columns]`` of an edge adds."""
    candidates = enumerate(edge.choice.candidates)
    numbers = [catalogue.block_at(f"{path}.{name}", (index,)) for index, name in candidates]
    return np.vstack([values, np.zeros((1, values.shape[1]))])[numbers]
