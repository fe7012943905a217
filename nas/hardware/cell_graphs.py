"""What a runtime makes of a cell: it drops edges that lead nowhere and computes beforehand what depends on no input.

So whether an edge costs anything depends on the others, and a cell is one entry for each of its architectures.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nas.hardware.call_sites import CallSite
from nas.hardware.catalogue import Catalogue
from nas.nn import Cell, OneOf, Zero
from nas.nn.tree import modules
from nas.predictors import BlockTable, BlockValues

__all__ = ["graph_columns", "graph_table"]

_MOST_COMBINATIONS = 20_000
_SHAPE = ("connected", "edges", "merges", "sources", "targets", "repeats", "constants", "nodes with constants")

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


def graph_columns(columns: Sequence[str]) -> list[str]:
    """The names of the numbers of :func:`graph_table`."""
    return [*(f"live {name}" for name in columns), *(f"constant {name}" for name in columns), *_SHAPE]


def graph_table(catalogue: Catalogue, columns: Sequence[str], values: Floats) -> BlockTable:
    """Sums over the cells of an architecture.

    An edge is *live* if it carries something from an input to the output, and *constant* if it carries what depends
    on no input there. For both the sums of ``values`` over such edges; then for each cell whether it is connected, how
    often live edges merge, how many nodes feed live edges with weights, and how many constant edges enter how many
    live nodes.
    Left out are cells about which so many choices decide that there are more than 20,000 combinations.

    Args:
        columns: a name for each number.
        values: ``[blocks, columns]``, what each block of the catalogue adds.
    """
    cells = [(path, each) for path, each in modules(catalogue.supernet.model) if isinstance(each, Cell)]
    tables = (_cell_values(catalogue, path, cell, values) for path, cell in cells)
    return BlockTable(graph_columns(columns), [table for table in tables if table is not None])


def _cell_values(catalogue: Catalogue, path: str, cell: Cell, values: Floats) -> BlockValues | None:
    edges = [cell.edge(*edge) for edge in cell.edges]
    below = [_sites(catalogue, ".".join(filter(None, (path, f"edge_{s}_{node}")))) for s, node in cell.edges]
    order = list(catalogue.space.choices)
    inside = {*catalogue.supernet.read_by(path), *(name for each in below for site in each for name in site.choices)}
    names = sorted(inside, key=order.index)
    sizes = [len(catalogue.space.choices[name]) for name in names]
    count = math.prod(sizes)
    if count > _MOST_COMBINATIONS:
        return None
    picked = dict(zip(names, np.indices(sizes).reshape(len(sizes), count), strict=True))
    numbers = [_numbers(catalogue, each, picked, count) for each in below]
    tests = (lambda each: isinstance(each, Zero), lambda each: any(True for _ in each.parameters()))
    zero, weighted = (np.stack([_flags(catalogue, edge, picked, count, test) for edge in edges], 1) for test in tests)
    extended = np.vstack([values, np.zeros((1, values.shape[1]))])
    sums = _sums(cell, zero, weighted, np.stack([extended[each].sum(0) for each in numbers]))
    sums[np.vstack(numbers).max(0, initial=-1) < 0] = 0
    table = sums.reshape(*sizes, -1)[np.ix_(*([*range(size), 0] for size in sizes))]
    return BlockValues(tuple(order.index(name) for name in names), table)


def _sites(catalogue: Catalogue, path: str) -> list[CallSite]:
    """The sites at a path or below it."""
    return [site for site in catalogue.numbers if f"{site.path}.".startswith(f"{path}.")]


def _numbers(catalogue: Catalogue, below: Sequence[CallSite], picked: Mapping[str, Indices], count: int) -> Indices:
    """The block, or -1, at each of several sites ``[sites, n]`` for each of `count` combinations of choices."""
    found = np.full((len(below), count), -1)
    for row, site in zip(found, below, strict=True):
        row[:] = catalogue.numbers[site][tuple(picked[name] for name in site.choices)]
    return found


def _flags(
    catalogue: Catalogue, edge: nn.Module, picked: Mapping[str, Indices], count: int, test: Callable[[nn.Module], bool]
) -> Flags:
    """Whether an edge's operation passes a test ``[n]`` for each of `count` combinations of choices."""
    if not isinstance(edge, OneOf):
        return np.full(count, test(edge))
    passed = np.array([test(edge[candidate]) for candidate in edge.choice.candidates])
    return np.asarray(passed[picked[catalogue.supernet.name_of(edge.choice)]])


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


def _by_node(cell: Cell, flags: Flags, nodes: Indices) -> Indices:
    """How many flagged edges ``[n, edges]`` each node ``[n, nodes]`` has, as ``nodes`` says whose they are."""
    return flags.astype(np.int64) @ np.eye(cell.nodes, dtype=np.int64)[nodes]
