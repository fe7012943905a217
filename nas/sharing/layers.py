"""The layers of a model that are of one structure, so that they may share weights."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from nas.errors import UsageError
from nas.nn import Repeat
from nas.nn.tree import below, modules
from nas.sharing.bank import TensorRef, is_within

__all__ = ["Layer", "equal_layers"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One of several layers of the same structure.

    Attributes:
        path: of the module.
        places: all its paths; there are several where it stands several times.
        module: itself.
        group: the layers of the same structure, in order.
        position: its own in the group.
    """

    path: str
    places: tuple[str, ...]
    module: nn.Module
    group: "list[Layer]"
    position: int

    def is_around(self, path: str) -> bool:
        """Whether the module at a path is this one or inside it."""
        return any(is_within(path, place) for place in self.places)

    def touches(self, path: str) -> bool:
        """Whether the module at a path is this one, inside it or around it."""
        return self.is_around(path) or any(is_within(place, path) for place in self.places)

    @property
    def parameters(self) -> list[TensorRef]:
        """Where the layer holds its parameters, in the same order as any other layer of the group.

        Paths are those within the layer.
        """
        return [
            TensorRef(path, module, name, below(path, name))
            for path, module in self.module.named_modules()
            for name, _ in module.named_parameters(recurse=False)
        ]


def equal_layers(model: nn.Module, only: Sequence[str]) -> list[list[Layer]]:
    """Groups of blocks of a :class:`~nas.nn.Repeat` or a ``nn.Sequential`` that have the same structure.

    Args:
        model: those inside a block that has an equal are left to that block.
        only: patterns of the paths of blocks, as in ``fnmatch``.

    Raises:
        UsageError: no two blocks are equal.
    """
    groups = list(_groups(model, only))
    if not groups:
        raise UsageError(
            f"{type(model).__name__} has no two blocks of a Repeat or Sequential with parameters of the same "
            f"shapes whose paths match {list(only)}, so no layers can be tied; name others with only=[...]."
        )
    return groups


def _groups(model: nn.Module, only: Sequence[str]) -> Iterator[list[Layer]]:
    inside: list[str] = []
    places: dict[nn.Module, list[str]] = {}
    for path, module in modules(model):
        places.setdefault(module, []).append(path)
    for path, parent in model.named_modules():
        if not isinstance(parent, nn.Sequential | Repeat) or any(is_within(path, outer) for outer in inside):
            continue
        alike: dict[Hashable, list[Layer]] = {}
        for name, block in parent.named_children():
            place = below(path, name)
            shapes = tuple((name, tuple(parameter.shape)) for name, parameter in block.named_parameters())
            may_tie = any(fnmatchcase(place, pattern) for pattern in only)
            if may_tie and any(len(shape) > 1 for _, shape in shapes):
                group = alike.setdefault((type(block), shapes), [])
                group.append(Layer(place, tuple(places[block]), block, group, len(group)))
        for group in alike.values():
            if len(group) > 1:
                inside += [layer.path for layer in group]
                yield group
