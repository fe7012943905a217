"""A few layers used again and again, with a low-rank difference at each depth."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.sharing.bank import Bank, Override, Source, TensorRef
from nas.sharing.layers import Layer, equal_layers
from nas.sharing.sharing import Sharing
from nas.space import Architecture, Choice, Space

__all__ = ["RelaxedTied", "Start"]

Start = Literal["fresh", "average", "stepwise", "lower"]
"""From which weights of the model the shared ones begin, and whether the differences make up for the rest."""


class RelaxedTied(Sharing):
    """Layer l reads ``W = W' + B_l A_l``, where ``W'`` is shared with every layer a whole number of loops away
    (relaxed recursive transformers, Bae et al., 2024).

    ``unique`` layers are run in a loop. Each layer has a choice ``<path>.rank`` of the rank of its difference, the
    leading part of the largest: 0 ties it, and the full rank leaves it free. The difference of a vector, such as a
    bias, is there at any rank above 0. A kernel counts as a matrix with a row for each output.

    Where the model is trained already, ``start`` says what the shared layers begin as, and the differences begin as the
    truncated singular value decomposition of what is missing. An extracted network has the sums, but tied layers once,
    so a file of it is larger than what could be kept; :meth:`nas.Supernet.stored_parameters` counts that.

    Args:
        unique: how many layers are shared in each group of equal ones.
        ranks: candidates of the rank of a layer's difference.
        start: ``fresh``, the weights of the first layers, without differences; or those of a trained model:
            ``average``, the mean of the layers that share; ``stepwise``, evenly spaced layers, the first and the last
            among them; ``lower``, the first layers.
        only: patterns of the paths of layers, as of :class:`~nas.sharing.Tied`.

    Raises:
        UsageError: no unique layer, or ranks that are none or negative.
    """

    name = "relaxed-tying"

    def __init__(
        self,
        unique: int = 2,
        ranks: Sequence[int] = (0, 4, 16),
        start: Start = "fresh",
        only: str | Sequence[str] = ("*",),
    ) -> None:
        super().__init__()
        if unique < 1:
            raise UsageError(f"RelaxedTied has unique={unique}; give 1 or more.")
        if not ranks or min(ranks) < 0:
            raise UsageError(f"RelaxedTied has ranks={list(ranks)}; give ranks of 0 or more.")
        self.unique, self.ranks, self.start = unique, tuple(ranks), start
        self.only = (only,) if isinstance(only, str) else tuple(only)

    def choices(self, model: nn.Module) -> Mapping[str, Choice]:
        """The ranks.

        Raises:
            UsageError: no layers are equal, or every group has as many layers as are unique.
        """
        self._groups = equal_layers(model, self.only)
        longest = max(map(len, self._groups))
        if self.unique >= longest:
            raise UsageError(
                f"sharing_args has unique={self.unique}, but there are {longest} equal layers, so none would be used "
                f"twice; give {longest - 1} or less."
            )
        return {layer.path: Choice(self.ranks, name=_choice(layer)) for group in self._groups for layer in group}

    @property
    def needs_trained(self) -> bool:
        return self.start != "fresh"

    @torch.no_grad()
    def bind(self, model: nn.Module, space: Space) -> None:
        """Makes the shared layers and the differences of the weights that the model has."""
        made: dict[str, nn.Parameter] = {}
        for group in self._groups:
            own = [[ref.tensor.detach().clone() for ref in layer.parameters] for layer in group]
            shared = self._shared(own)
            for layer, tensors in zip(group[: self.unique], shared, strict=True):
                for ref, tensor in zip(layer.parameters, tensors, strict=True):
                    ref.tensor.copy_(tensor)
            for layer, tensors in zip(group, own, strict=True):
                for ref, tensor, base in zip(layer.parameters, tensors, shared[self._loop(layer)], strict=True):
                    up, down = _factors(tensor - base, max(self.ranks))
                    up = torch.zeros_like(up) if self.start == "fresh" else up
                    made[f"{layer.path}.{ref.key}.up"] = nn.Parameter(up)
                    made[f"{layer.path}.{ref.key}.down"] = nn.Parameter(down)
        self.differences = Bank(made)

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> Sequence[Override]:
        touched = (layer for group in self._groups for layer in group if layer.touches(within))
        return [slot for layer in touched for slot in self._slots(layer, int(architecture.get(_choice(layer), 0)))]

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "unique": self.unique, "ranks": list(self.ranks), "start": self.start}

    def _slots(self, layer: Layer, rank: int) -> Iterator[Override]:
        owner = layer.group[self._loop(layer)]
        for ref, source in zip(layer.parameters, owner.parameters, strict=True):
            shared = source.tensor
            if rank:
                yield self._relaxed(layer, ref, shared, rank)
            elif owner is not layer:
                yield Override(ref.module, ref.name, shared)

    def _relaxed(self, layer: Layer, ref: TensorRef, shared: Tensor, rank: int) -> Override:
        up, down = (self.differences[f"{layer.path}.{ref.key}.{name}"] for name in ("up", "down"))
        rank = min(rank, len(down))
        inner = shared.shape[1:]
        made_of = (
            Source(shared, tuple(shared.shape), tuple(range(shared.dim()))),
            Source(up, (len(up), rank), (0, None)),
            Source(down, (rank, *inner), (None, *range(1, shared.dim()))),
        )
        return Override(ref.module, ref.name, shared + (up[:, :rank] @ down[:rank]).view_as(shared), made_of)

    def _loop(self, layer: Layer) -> int:
        """Position of the layer whose weights this one shares."""
        return layer.position % self.unique

    def _shared(self, own: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
        """What the unique layers begin as, given the tensors of all."""
        if self.start == "average":
            loops = [own[number :: self.unique] for number in range(self.unique)]
            return [[torch.stack(tensors).mean(0) for tensors in zip(*loop, strict=True)] for loop in loops]
        if self.start == "stepwise":
            places = torch.linspace(0, len(own) - 1, self.unique).round().int().tolist()
            return [list(own[place]) for place in places]
        return [list(tensors) for tensors in own[: self.unique]]


def _choice(layer: Layer) -> str:
    return f"{layer.path}.rank"


def _factors(tensor: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """``[rows, r]`` and ``[r, columns]``, the best product of a rank (or the full one, if that is less)."""
    u, s, v = torch.linalg.svd(tensor.flatten(1) if tensor.dim() > 1 else tensor[:, None], full_matrices=False)
    return (u * s)[:, :rank].contiguous(), v[:rank].contiguous()
