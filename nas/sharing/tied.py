"""Weights shared between layers, where which layers share is itself searched."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from nas.errors import UsageError
from nas.nn import Repeat
from nas.nn.tree import below, modules
from nas.sharing.bank import Override, is_within
from nas.sharing.sharing import Sharing
from nas.space import Architecture, Choice

__all__ = ["Tied"]


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer that may use the weights of an earlier one.

    Attributes:
        path: of the module.
        places: all its paths; there are several where it stands several times.
        module: itself.
        group: the layers of the same structure, in order.
        position: its own in the group.
        choice: name of the choice whose value is the position of the layer whose weights it uses.
    """

    path: str
    places: tuple[str, ...]
    module: nn.Module
    group: "list[_Layer]"
    position: int
    choice: str

    def is_around(self, path: str) -> bool:
        """Whether the module at a path is this one or inside it."""
        return any(is_within(path, place) for place in self.places)

    def weights(self, architecture: Mapping[str, Any]) -> int:
        """Position of the layer whose weights this one uses."""
        return int(architecture.get(self.choice, self.position))

    @property
    def parameters(self) -> list[tuple[nn.Module, str]]:
        """Where the layer holds its parameters, in the same order as any other layer of the group."""
        return [
            (module, name) for module in self.module.modules() for name, _ in module.named_parameters(recurse=False)
        ]


class Tied(Sharing):
    """Each of several layers of the same structure uses its own weights or those of an earlier one of them.

    Which one is a choice of the space: layer i of a group has a choice ``<path>.weights`` of the positions 0 to i, so
    that the banks of a layer are the weights of the layers up to it (dynamic layer tying, Hay and Wolf, 2024; parameter
    allocation search, Plummer et al., 2022). Only parameters are tied: batch-norm statistics stay with the layer, since
    they depend on where it stands. An extracted network has tied parameters once where layers use the same part of
    them; layers of different sizes get parts of their own.

    Args:
        only: patterns of the paths of layers that may be tied, such as ``layers.*``; by default all blocks of a
            :class:`~nas.nn.Repeat` or a ``nn.Sequential`` that have an equal beside them.
    """

    name = "tied"

    def __init__(self, only: str | Sequence[str] = ("*",)) -> None:
        super().__init__()
        self.only = (only,) if isinstance(only, str) else tuple(only)

    def choices(self, model: nn.Module) -> Mapping[str, Choice]:
        self._layers = [layer for group in self._groups(model) for layer in group]
        if not self._layers:
            raise UsageError(
                f"{type(model).__name__} has no two blocks of a Repeat or Sequential with parameters of the same "
                f"shapes whose paths match {list(self.only)}, so no layers can be tied; name others with only=[...]."
            )
        return {
            layer.path: Choice(list(range(layer.position + 1)), name=layer.choice)
            for layer in self._layers
            if layer.position
        }

    @property
    def banks(self) -> int:
        return max(len(layer.group) for layer in self._layers)

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> list[Override]:
        return [
            Override(module, name, getattr(source, name))
            for layer in self._layers
            if any(is_within(place, within) or is_within(within, place) for place in layer.places)
            if (owner := layer.group[layer.weights(architecture)]) is not layer
            for (module, name), (source, _) in zip(layer.parameters, owner.parameters, strict=True)
        ]

    def key(self, architecture: Architecture, bank: int | None, path: str) -> Hashable:
        around = [layer.weights(architecture) for layer in self._layers if layer.is_around(path)]
        return tuple(around) or None

    def _groups(self, model: nn.Module) -> Iterator[list[_Layer]]:
        """Blocks of the same structure below one parent; those inside a block that is tied are left to it."""
        inside: list[str] = []
        places: dict[nn.Module, list[str]] = {}
        for path, module in modules(model):
            places.setdefault(module, []).append(path)
        for path, parent in model.named_modules():
            if not isinstance(parent, nn.Sequential | Repeat) or any(is_within(path, outer) for outer in inside):
                continue
            alike: dict[Hashable, list[_Layer]] = {}
            for name, block in parent.named_children():
                place = below(path, name)
                shapes = tuple((name, tuple(parameter.shape)) for name, parameter in block.named_parameters())
                may_tie = any(fnmatchcase(place, pattern) for pattern in self.only)
                if may_tie and any(len(shape) > 1 for _, shape in shapes):
                    group = alike.setdefault((type(block), shapes), [])
                    group.append(_Layer(place, tuple(places[block]), block, group, len(group), f"{place}.weights"))
            for group in alike.values():
                if len(group) > 1:
                    inside += [layer.path for layer in group]
                    yield group
