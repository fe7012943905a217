"""What running a model once tells: channels, where they are in its tensors, and what brings them together."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas.conversion.following.labels import NONE, Labels

__all__ = ["Axis", "Block", "Graph", "Ids", "Operation", "Place", "ids_of"]

Ids = npt.NDArray[np.int64]
"""Numbers of channels, -1 for none."""


@dataclass(frozen=True)
class Place:
    """A parameter or buffer by the path of the module that holds it, and its name there."""

    path: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}.{self.name}" if self.path else self.name


@dataclass
class Axis:
    """A dimension of a parameter or buffer that carries channels.

    Attributes:
        place: of the tensor, the first where it has several.
        dim: of it.
        ids: the channel at each position.
        readers: paths of the modules whose forwards read the tensor.
        normalises: whether statistics are taken over the axis, so that they differ in a narrower network.
    """

    place: Place
    dim: int
    ids: Ids
    readers: tuple[str, ...]
    normalises: bool = False


@dataclass(frozen=True)
class Operation:
    """An operation that gave tensors.

    Attributes:
        name: of the function.
        path: of the module in whose forward it was called.
        number: which operation it is of that call of the module.
        inputs, outputs: the labels of tensors.
    """

    name: str
    path: str
    number: int
    inputs: tuple[Labels, ...]
    outputs: tuple[Labels, ...]


@dataclass(frozen=True)
class Block:
    """A call of a module that takes and gives a tensor.

    Attributes:
        path: of the module.
        taken, given: numbers of the first tensor that it takes and the one that it gives; the same tensor has the same.
        before, after: the labels of these.
        alone: whether it takes nothing else.
        start, stop: the operations that it runs.
    """

    path: str
    taken: int
    given: int
    before: Labels
    after: Labels
    alone: bool
    start: int
    stop: int


@dataclass
class Graph:
    """Channels and what is known of them.

    Attributes:
        count: how many channels there are so far.
        axes: by tensor and dimension.
        pairs: channels that go together, each with the operation that says so.
        fixed: channels that no architecture may lack, each with the reason.
        marks: channels that a split separates: those of one mark are cut alike.
        equal: pairs of channels whose groups keep the same share.
        raw: parameters that are read as tensors, element by element.
        whole: parameters of which no part can be taken, and why.
        operations, blocks: in the order in which they ran.
        heads: channels that are heads of an attention.
        softened: channels that a statistic is taken over, by an operation that is no layer.
    """

    count: int = 0
    axes: dict[tuple[Place, int], Axis] = field(default_factory=dict)
    pairs: list[tuple[Ids, Ids, str]] = field(default_factory=list)
    fixed: list[tuple[Ids, str]] = field(default_factory=list)
    marks: list[Ids] = field(default_factory=list)
    equal: list[tuple[Ids, Ids, str]] = field(default_factory=list)
    raw: dict[Place, tuple[Labels, str]] = field(default_factory=dict)
    whole: dict[Place, str] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    heads: list[Ids] = field(default_factory=list)
    softened: list[Ids] = field(default_factory=list)

    def fresh(self, number: int) -> Tensor:
        """Channels of their own."""
        self.count += number
        return torch.arange(self.count - number, self.count)

    def join(self, one: Tensor, other: Tensor, why: str) -> None:
        """Has channels of two tensors, position by position, go together; one that has none fixes the other."""
        a, b = (each.reshape(-1) for each in torch.broadcast_tensors(one, other))  # type: ignore[no-untyped-call]
        both = (a >= 0) & (b >= 0) & (a != b)
        if bool(both.any()):
            pairs = np.unique(a[both].numpy() * self.count + b[both].numpy())  # as one number each, which is fast
            self.pairs.append((*np.divmod(pairs, self.count), why))
        for mine, none in ((a, b), (b, a)):
            alone = (mine >= 0) & (none < 0)
            if bool(alone.any()):
                self.fix(mine[alone], f"{why} with channels of a fixed number")

    def fix(self, ids: Tensor, reason: str) -> None:
        """Has every architecture keep channels."""
        if bool((ids >= 0).any()):
            self.fixed.append((ids_of(ids[ids >= 0]), reason))

    def along(self, labels: Labels, dim: int, why: str) -> Labels:
        """The labels after all channels along a dimension are made to go together, position by position elsewhere."""
        if labels.ids.shape[dim] == 1:
            return labels
        first = labels.ids.narrow(dim, 0, 1)
        self.join(first, labels.ids, why)
        return Labels(first, labels.shape, labels.note, labels.data)

    def vector(self, labels: Labels, dim: int, why: str) -> Tensor:
        """The channel at each position of a dimension, after all that differ elsewhere are made to go together."""
        for other in labels.varying:
            if other != dim:
                labels = self.along(labels, other, why)
        return labels.ids.reshape(-1).expand(labels.shape[dim])

    def use(self, place: Place, dim: int, ids: Tensor, reader: str, normalises: bool = False) -> Tensor:
        """Notes that a dimension of a tensor carries these channels, and gives those that it has had from the start."""
        known = self.axes.get((place, dim))
        if known is None:
            self.axes[place, dim] = Axis(place, dim, ids_of(ids), (reader,), normalises)
            return ids
        known.readers = tuple(dict.fromkeys((*known.readers, reader)))
        before = torch.from_numpy(known.ids)
        self.join(before, ids, f"shared {place}")
        return torch.where(before >= 0, before, ids)

    def produce(self, place: Place, dim: int, number: int, reader: str) -> Tensor:
        """The channels that a layer makes along a dimension of its weight: the same ones whenever it is called."""
        known = self.axes.get((place, dim))
        if known is not None or number > 1:
            ids = self.fresh(number) if known is None else torch.from_numpy(known.ids)
            return self.use(place, dim, ids, reader)
        return torch.full((1,), NONE)


def ids_of(ids: Tensor) -> Ids:
    array: Ids = np.ascontiguousarray(ids.reshape(-1).numpy())
    return array
