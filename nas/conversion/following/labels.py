"""Which channel each element of a tensor belongs to.

A channel is one output of one layer, and has a number. The labels of a tensor are integers of its shape, the number of
the channel that an element carries, or -1 where it carries none. What only moves elements, such as a permutation, moves
the labels by the very same function, so that any mixture of views, splits and shuffles is followed exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

__all__ = ["NONE", "Labels", "aligned", "compressed", "of_axis"]

NONE = -1


@dataclass(frozen=True, eq=False)
class Labels:
    """The channels of a tensor.

    Attributes:
        ids: ``[...]`` integers, of as many dimensions as the tensor, of size one where they are the same all along.
        shape: of the tensor.
        note: where a tensor without channels comes from.
        data: whether its values depend on the input of the model.
    """

    ids: Tensor
    shape: tuple[int, ...]
    note: str = ""
    data: bool = True

    @cached_property
    def varying(self) -> tuple[int, ...]:
        """The dimensions along which the channels differ."""
        return tuple(dim for dim, size in enumerate(self.ids.shape) if size > 1)

    @cached_property
    def carries(self) -> bool:
        """Whether any element carries a channel."""
        return bool((self.ids >= 0).any())

    @property
    def full(self) -> Tensor:
        """The labels in the shape of the tensor."""
        return self.ids.expand(self.shape)

    def same_as(self, other: "Labels") -> bool:
        return self.shape == other.shape and self.ids.shape == other.ids.shape and bool((self.ids == other.ids).all())

    @classmethod
    def none(cls, shape: Sequence[int], note: str, data: bool = True) -> "Labels":
        """Those of a tensor that carries no channel."""
        return cls(torch.full([1] * len(shape), NONE), tuple(shape), note, data)


def of_axis(ids: Tensor, shape: Sequence[int], dim: int) -> Labels:
    """The labels of a tensor whose dimension ``dim`` carries these channels."""
    sizes = [1] * len(shape)
    sizes[dim] = len(ids)
    return Labels(ids.view(sizes), tuple(shape))


def compressed(ids: Tensor) -> Tensor:
    """The labels with size one along each dimension where they are the same."""
    for dim, size in enumerate(ids.shape):
        if size > 1:
            first = ids.narrow(dim, 0, 1)
            if ids.stride(dim) == 0 or bool((ids == first).all()):
                ids = first
    return ids


def aligned(labels: Labels, shape: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
    """The labels and the shape with leading ones, as a tensor is broadcast to one of this shape."""
    more: Any = (1,) * (len(shape) - len(labels.shape))
    return labels.ids.reshape((*more, *labels.ids.shape)), (*more, *labels.shape)
