"""A part of a space that is listed: some of its architectures."""

from collections.abc import Sequence
from typing import Protocol

from nas.errors import UsageError
from nas.space.architecture import Architecture
from nas.space.space import SeedLike, generator

__all__ = ["ArchitectureSet", "Samplable"]


class Samplable(Protocol):
    """Where path samplers draw: a space, a part of one, or some of its architectures."""

    def sample(self, seed: SeedLike) -> Architecture:
        """A random one."""

    def smallest(self) -> Architecture:
        """The smallest."""

    def largest(self) -> Architecture:
        """The largest."""


class ArchitectureSet:
    """Where path samplers draw when only some architectures can win, such as those near a bound on their cost.

    Args:
        architectures: at least one, from the smallest to the largest.

    >>> tiny, small = Architecture({"width": 8}), Architecture({"width": 16})
    >>> ArchitectureSet([tiny, small]).largest()
    Architecture({'width': 16})
    """

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        if not architectures:
            raise UsageError("a set of architectures to train is empty; give at least one.")
        self.architectures = tuple(architectures)

    def sample(self, seed: SeedLike) -> Architecture:
        """One of them, each as likely."""
        return self.architectures[generator(seed).integers(len(self.architectures))]

    def smallest(self) -> Architecture:
        """The first."""
        return self.architectures[0]

    def largest(self) -> Architecture:
        """The last."""
        return self.architectures[-1]

    def __len__(self) -> int:
        return len(self.architectures)
