"""Weights shared between layers, where which layers share is itself searched."""

from collections.abc import Hashable, Mapping, Sequence

from torch import nn

from nas.sharing.bank import Override
from nas.sharing.layers import Layer, equal_layers
from nas.sharing.sharing import Sharing
from nas.space import Architecture, Choice

__all__ = ["Tied"]


class Tied(Sharing):
    """Each of several layers of the same structure uses its own weights or those of an earlier one of them.

    Which one is a choice of the space: layer i of a group has a choice ``<path>.weights`` of the positions 0 to i, so
    that the banks of a layer are the weights of the layers up to it. The authors of dynamic layer tying (Hay and Wolf,
    2024) learn the ties while one network trains; here the supernet trains under ties that are drawn, and which are
    best is searched afterwards. Only parameters are tied: batch-norm statistics stay with the layer, since they depend
    on where it stands. An extracted network has tied parameters once where layers use the same part of them; layers of
    different sizes get parts of their own.

    Args:
        only: patterns of the paths of layers that may be tied, such as ``layers.*``; by default all blocks of a
            :class:`~nas.nn.Repeat` or a ``nn.Sequential`` that have an equal beside them.
    """

    name = "tied"

    def __init__(self, only: str | Sequence[str] = ("*",)) -> None:
        super().__init__()
        self.only = (only,) if isinstance(only, str) else tuple(only)

    def choices(self, model: nn.Module) -> Mapping[str, Choice]:
        self._layers = [layer for group in equal_layers(model, self.only) for layer in group]
        return {
            layer.path: Choice(list(range(layer.position + 1)), name=_choice(layer))
            for layer in self._layers
            if layer.position
        }

    @property
    def banks(self) -> int:
        return max(len(layer.group) for layer in self._layers)

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> list[Override]:
        return [
            Override(ref.module, ref.name, source.tensor)
            for layer in self._layers
            if layer.touches(within)
            if (owner := layer.group[_owner(layer, architecture)]) is not layer
            for ref, source in zip(layer.parameters, owner.parameters, strict=True)
        ]

    def key(self, architecture: Architecture, bank: int | None, path: str) -> Hashable:
        around = [_owner(layer, architecture) for layer in self._layers if layer.is_around(path)]
        return tuple(around) or None


def _choice(layer: Layer) -> str:
    return f"{layer.path}.weights"


def _owner(layer: Layer, architecture: Architecture) -> int:
    """Position of the layer whose weights this one uses."""
    return int(architecture.get(_choice(layer), layer.position))
