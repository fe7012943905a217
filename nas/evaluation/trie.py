"""A population as a prefix trie: candidates that begin with the same blocks share their activations.

A node is a block together with every choice read so far. Batch-norm statistics belong to nodes, since what a block
sees depends on the blocks before it and on nothing after it. Both passes, calibration and evaluation, walk the
trie depth first with one batch at a time, so they hold one activation for each level. Candidates whose networks read
other inputs, such as images of another size, have nothing in common.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nas.nn.batch_norms import Statistics, averaging, batch_norms, fresh_statistics, install, restoring
from nas.space import Architecture, candidate_key
from nas.supernet import Segment, SegmentKey, Supernet
from nas.supernet.segmentation import active_modules

__all__ = ["Trie"]

Leaf = Callable[[int, Tensor], None]


@dataclass
class _Node:
    """A block after one particular prefix.

    Attributes:
        architecture: any architecture that runs through here.
        segment: the block to run.
        statistics: of the batch norms inside the block.
        children: what may follow, by segment key.
        rows: the candidates that end here, as positions in the population.
    """

    architecture: Architecture
    segment: Segment
    statistics: Statistics
    children: dict[SegmentKey, "_Node"] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)


@dataclass
class _Root:
    """Candidates whose networks read the same inputs.

    Attributes:
        architecture: any of them.
        children: their first blocks, by segment key.
    """

    architecture: Architecture
    children: dict[SegmentKey, _Node] = field(default_factory=dict)


class Trie:
    """The population's common prefixes.

    The numbers of a candidate do not depend on the others: a population of one gives the same, bit for bit.

    Args:
        supernet: its active architecture changes; its own batch-norm statistics are put back afterwards.
        architectures: the population, in any order.
    """

    def __init__(self, supernet: Supernet, architectures: Sequence[Architecture]) -> None:
        self.supernet = supernet
        self._roots: dict[tuple[str, ...], _Root] = {}
        self.blocks = self.blocks_alone = 0
        """Number of blocks that are run for a batch, and that running each candidate alone would run."""
        for row, architecture in enumerate(architectures):
            self._insert(row, architecture)

    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Averages every node's batch-norm statistics over the batches."""
        norms = batch_norms(self.supernet.modules())
        if norms:
            with restoring(norms), averaging(norms):
                self._run(batches, lambda row, output: None)

    def outputs(self, x: Tensor) -> list[Tensor]:
        """The output of each candidate on one batch, in evaluation mode."""
        found: dict[int, Tensor] = {}
        with restoring(batch_norms(self.supernet.modules())):
            self._run([x], found.__setitem__)
        return [found[row] for row in sorted(found)]

    def _insert(self, row: int, architecture: Architecture) -> None:
        self.supernet.activate(architecture)
        read = tuple(candidate_key(architecture[name]) for name in self.supernet.extra)
        children = self._roots.setdefault(read, _Root(architecture)).children
        node = None
        for key, segment in self.supernet.segments():
            if key not in children:
                norms = batch_norms(module for _, module in active_modules(segment.module))
                children[key] = _Node(architecture, segment, fresh_statistics(norms))
                self.blocks += 1
            self.blocks_alone += 1
            node = children[key]
            children = node.children
        assert node is not None
        node.rows.append(row)

    @torch.inference_mode()
    def _run(self, batches: Iterable[Tensor], leaf: Leaf) -> None:
        self._active: Architecture | None = None
        last = len(self._roots) - 1
        for x in batches:
            for number, root in enumerate(self._roots.values()):
                read = self.supernet.reads(x, root.architecture)
                self._descend(root.children, read.clone() if read is x and number < last else read, leaf)

    def _descend(self, nodes: dict[SegmentKey, _Node], x: Tensor, leaf: Leaf) -> None:
        """Runs sibling nodes on their common input.

        A block may work in place, so all siblings but the last get a copy, and so do children after a leaf's output.
        """
        last = len(nodes) - 1
        for number, node in enumerate(nodes.values()):
            if self._active is not node.architecture:
                self.supernet.activate(node.architecture)
                self._active = node.architecture
            with self.supernet.weights(*node.segment.paths):
                install(node.statistics)
                y = node.segment.module(x if number == last else x.clone())
            for row in node.rows:
                leaf(row, y)
            if node.children:
                self._descend(node.children, y.clone() if node.rows else y, leaf)
