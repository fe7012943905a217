"""Choices outside the model: no module reads them, but the batch does that a network gets, or a cost, or a recipe."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nas.errors import UsageError
from nas.space import Choice, Space

__all__ = ["Outside", "ReadInput"]

ReadInput = Callable[[Tensor, Mapping[str, Any]], Tensor]
"""A batch as it is stored, and an architecture → the batch as the network of this architecture reads it."""


class Outside:
    """Choices that no module of a model reads, and what they make of its inputs.

    Args:
        choices: name → candidates.
        read: what networks read of a batch.

    Attributes:
        space: of these choices alone.
    """

    def __init__(self, choices: Mapping[str, Sequence[Any] | Choice], read: ReadInput) -> None:
        self.space = Space(choices)
        self._read = read

    def __deepcopy__(self, memo: Any) -> "Outside":
        """Itself: nothing of it changes, and what it reads with may hold data."""
        return self

    def beside(self, model: Space) -> Space:
        """The space of a model together with these choices.

        Raises:
            UsageError: a choice of the model has the name of one of them.
        """
        twice = next((name for name in self.space.choices if name in model.choices), None)
        if twice is not None:
            raise UsageError(
                f"the choice '{twice}' outside the model is called as one of the model; give one of them another name."
            )
        return model.product(self.space)

    def without(self, space: Space) -> Space:
        """The part of a space that is the model's."""
        return space.without(self.space.choices)

    def values(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """What an architecture says of these choices."""
        return {name: architecture[name] for name in self.space.choices}

    def read(self, inputs: Sequence[Any], architecture: Mapping[str, Any]) -> tuple[Any, ...]:
        """The inputs as the network of an architecture reads them."""
        values = self.values(architecture)
        return tuple(self._read(each, values) for each in inputs)

    def shape(self, stored: Sequence[int], dtype: torch.dtype) -> tuple[int, ...]:
        """The shape of one example, without the batch, as the largest network reads it."""
        example = torch.empty((1, *stored), dtype=dtype, device="meta")
        (read,) = self.read([example], self.space.largest())
        return tuple(read.shape[1:])
