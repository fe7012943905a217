"""Widths as sets of channels: which part of a weight is in use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas.nn.gate import Gates, push_forward
from nas.space import Concatenation, choices_of, evaluate

__all__ = [
    "NOTHING", "Channels", "Ranges", "Region", "channels", "crop", "joined", "ranges_of", "select", "taken", "write",
]  # fmt: skip

Ranges = tuple[tuple[int, int], ...]
"""Half-open ranges of channel indices."""

NOTHING: Ranges = ((0, 0),)
"""No channel."""

Region = tuple[Ranges, ...]
"""A part of a tensor: ranges for each of its leading dimensions; empty for the whole tensor."""


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of one width under a gate.

    Attributes:
        ranges: the channels that are computed: those of the widest active outcome.
        mask: ``[sum of ranges]``, the weight of each computed channel, the sum of the weights of the outcomes
            that hold it; None under a one-hot gate.
    """

    ranges: Ranges
    mask: Tensor | None = None

    @property
    def count(self) -> int:
        return sum(stop - start for start, stop in self.ranges)

    def apply(self, x: Tensor, dim: int) -> Tensor:
        """``x`` with the channels of dimension ``dim`` weighted by the mask."""
        if self.mask is None:
            return x
        shape = [1] * x.dim()
        shape[dim] = -1
        return x * self.mask.view(shape)


def ranges_of(width: Any, values: Mapping[Any, Any]) -> Ranges:
    """The channels in use of an integer, an expression or a concatenation."""
    if isinstance(width, Concatenation):
        return tuple(width.segments(values))
    return ((0, int(evaluate(width, values))),)


def channels(width: Any, gates: Gates) -> Channels:
    """The channels that a width argument uses under ``gates``."""
    gate = push_forward(lambda values: ranges_of(width, values), choices_of(width), gates)
    if gate.weights is None:
        return Channels(gate.values[0])
    hull = tuple(
        (start, max(ranges[part][1] for ranges in gate.values)) for part, (start, _) in enumerate(gate.values[0])
    )
    held = torch.stack([_membership(ranges, hull) for ranges in gate.values]).to(gate.weights)
    return Channels(hull, gate.weights @ held)


def _membership(ranges: Ranges, hull: Ranges) -> Tensor:
    parts = [
        torch.arange(start, stop) < inner_stop for (start, stop), (_, inner_stop) in zip(hull, ranges, strict=True)
    ]
    return torch.cat(parts)


def select(tensor: Tensor, region: Region) -> Tensor:
    """The part of ``tensor`` inside the region, ranges for each leading dimension; a view where it is one block."""
    for dim, ranges in enumerate(region):
        if ranges != ((0, tensor.shape[dim]),):
            tensor = taken(tensor, dim, ranges)
    return tensor


def taken(tensor: Tensor, dim: int, ranges: Ranges) -> Tensor:
    """The ranges of one dimension, one behind the other; a view where there is one."""
    parts = [tensor.narrow(dim, start, stop - start) for start, stop in ranges]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


def write(tensor: Tensor, region: Region, value: Tensor, dim: int = 0) -> None:
    """Stores ``value`` in the region of ``tensor``, in place: the inverse of :func:`select`."""
    if dim == len(region):
        tensor.copy_(value)
        return
    offset = 0
    for start, stop in region[dim]:
        part = value.narrow(dim, offset, stop - start)
        write(tensor.narrow(dim, start, stop - start), region, part, dim + 1)
        offset += stop - start


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges, those that follow on each other as one."""
    found: list[tuple[int, int]] = []
    for start, stop in ranges:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return tuple(found)


def crop(size: int, kernel: int) -> Ranges:
    """The centre ``kernel`` positions of ``size``."""
    start = (size - kernel) // 2
    return ((start, start + kernel),)
