"""A model as a sequence of blocks: what candidates that agree on a prefix can share."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from nas.nn import Elastic, OneOf, Repeat

__all__ = ["Segment", "active_modules", "segments"]


@dataclass(frozen=True)
class Segment:
    """One block of the active sequence.

    Attributes:
        path: its module path in the model; together with the choices that the block reads it says what runs.
        module: the block.
    """

    path: str
    module: nn.Module


def segments(module: nn.Module, path: str = "") -> Iterator[Segment]:
    """The active blocks in order, such that calling one after the other is the forward of ``module``.

    ``nn.Sequential``, :class:`~nas.nn.Repeat` and :class:`~nas.nn.OneOf` are opened, also inside each other; any
    other module is one segment.
    """
    if _is_sequence(module):
        for name, block in module.running() if isinstance(module, Elastic) else module.named_children():
            yield from segments(block, _join(path, name))
    else:
        yield Segment(path, module)


def active_modules(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Path and module of everything that runs under the current gates, ``module`` included."""
    yield path, module
    for name, child in module.running() if isinstance(module, Elastic) else module.named_children():
        yield from active_modules(child, _join(path, name))


def _is_sequence(module: nn.Module) -> bool:
    if isinstance(module, OneOf):
        return module.gate.weights is None
    if isinstance(module, Repeat):
        return module.depth.weights is None
    return type(module) is nn.Sequential


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
