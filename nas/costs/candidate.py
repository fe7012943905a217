"""One architecture as a cost sees it."""

from collections.abc import Mapping
from functools import cached_property

from torch import Tensor, nn

from nas.costs.static import StaticCosts
from nas.space import Architecture

__all__ = ["Candidate"]


class Candidate:
    """A network that is not built before somebody asks for it.

    Args:
        architecture: of the space.
        static: the costs that every run knows.

    >>> import nas
    >>> from search_spaces.chain import chain
    >>> static = StaticCosts(nas.Supernet(chain((1, 8, 8), 10)), (1, 8, 8))
    >>> candidate = Candidate(static.supernet.space.smallest(), static)
    >>> candidate.network(candidate.example).shape, candidate.costs["params"]
    (torch.Size([1, 10]), 12738)
    """

    def __init__(self, architecture: Architecture, static: StaticCosts) -> None:
        self.architecture, self._static = architecture, static

    @cached_property
    def network(self) -> nn.Module:
        """The plain stand-alone network in evaluation mode, on the meta device: shapes without weights."""
        return self._static.supernet.extract(self.architecture).eval()

    @cached_property
    def example(self) -> Tensor:
        """An input for it, a batch of one, on the meta device."""
        return self._static.example(self.architecture)

    @cached_property
    def stored_parameters(self) -> int:
        """As :meth:`nas.Supernet.stored_parameters` counts them."""
        self._static.supernet.activate(self.architecture)
        return self._static.supernet.stored_parameters()

    @cached_property
    def costs(self) -> Mapping[str, int]:
        """The static costs by name."""
        return self._static(self.architecture)
