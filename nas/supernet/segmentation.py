"""A model as a sequence of blocks: what candidates that agree on a prefix can share."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from nas.conversion.stages import StagedSequential
from nas.nn import OneOf, Repeat
from nas.nn.module_walk import walk
from nas.nn.tree import children
from nas.supernet.chains import Chain, ChainPart

__all__ = ["Segment", "active_modules", "segments"]


@dataclass(frozen=True)
class Segment:
    """One block of the active sequence.

    Attributes:
        path: its module path in the model, the first where it calls several modules; together with the choices that
            the block reads it says what runs.
        module: the block.
        step: which step of the model's forward it is, if it is more than a call of the module at the path.
        called: the paths of the modules that such a step calls.
    """

    path: str
    module: nn.Module
    step: int | None = None
    called: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Where all modules are that it calls."""
        return (self.path,) if self.step is None else self.called

    @property
    def kind(self) -> str:
        """What it is called: its class, or those of the modules that it calls and the functions."""
        return self.module.described if isinstance(self.module, ChainPart) else type(self.module).__name__


def segments(model: nn.Module, chain: Chain | None = None) -> Iterator[Segment]:
    """The active blocks in order, such that calling one after the other is the forward of ``model``.

    Opened are the model itself if it is a ``nn.Sequential`` or its forward a ``chain`` of steps, every
    :class:`~nas.nn.Repeat`, :class:`~nas.nn.OneOf` and
    :class:`~nas.conversion.stages.StagedSequential`, and a ``nn.Sequential`` that holds one. Any other module is
    one segment, also a sequence with hooks, which run when it does.
    """
    if _is_plain_sequence(model):
        for name, block in children(model):
            yield from _open(block, name)
    elif chain is not None:
        for number, step in enumerate(chain.steps):
            called = [model.get_submodule(path) for path in step.paths]
            if step.graph is None:
                yield from _open(called[0], step.paths[0])
            else:
                yield Segment((*step.paths, step.name)[0], ChainPart(step.graph, called), number, step.paths)
    else:
        yield from _open(model, "")


def _open(module: nn.Module, path: str) -> Iterator[Segment]:
    opened = walk(module, path, active=True, opens=lambda node: _is_sequence(node.module))
    return (Segment(node.path, node.module) for node in opened if not _is_sequence(node.module))


def active_modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Path and module of everything that runs under the current gates, ``module`` included."""
    return ((node.path, node.module) for node in walk(module, active=True))


def _is_sequence(module: nn.Module) -> bool:
    if isinstance(module, OneOf):
        return module.gate.weights is None
    if isinstance(module, Repeat):
        return module.depth.weights is None
    if isinstance(module, StagedSequential):
        return all(depth.weights is None for depth in module.depths)
    return _is_plain_sequence(module) and any(_is_sequence(child) for _, child in children(module))


def _is_plain_sequence(module: nn.Module) -> bool:
    return type(module) is nn.Sequential and not module._forward_hooks and not module._forward_pre_hooks
