"""Where a supernet can run something: its blocks, with the choices that decide whether and what each runs.

Costs that add up are tables over these blocks (ProxylessNAS, Cai et al. 2019; once-for-all, Cai et al. 2020).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from nas.nn import Cell, OneOf, Repeat, Zero
from nas.nn.elastic import Branch
from nas.nn.module_walk import Node, walk
from nas.space import Choice, choices_of, outcomes
from nas.supernet import Supernet

__all__ = ["CallSite", "block_sites", "junctions"]


@dataclass(frozen=True)
class CallSite:
    """A block of the model, at one of its calls.

    Attributes:
        path: its module path in the model.
        module: the block.
        choices: names of the choices that decide whether it runs and what it computes, in the space's order.
        call: which of the module's calls in one network, counted from 0.
    """

    path: str
    module: nn.Module
    choices: tuple[str, ...]
    call: int = 0

    @property
    def call_of(self) -> tuple[str, int]:
        """Path of the module and number of its call."""
        return self.path, self.call


def block_sites(supernet: Supernet) -> list[CallSite]:
    """The blocks that every architecture is put together from, in the order of the model.

    Opened is whatever chooses between modules (:class:`~nas.nn.OneOf`, :class:`~nas.nn.Repeat`,
    :class:`~nas.nn.Cell`) and whatever holds such a module or is a ``nn.Sequential`` at the top; the rest are
    blocks. A :class:`~nas.nn.Zero` is none, and operations that an opened module does by itself, such as an addition,
    belong to none.
    """
    blocks = (node for node in walk(supernet.model, opens=_is_opened) if not _is_opened(node))
    return [_site(supernet, node, supernet.read_by(node.path)) for node in blocks if not isinstance(node.module, Zero)]


def junctions(supernet: Supernet) -> list[CallSite]:
    """Where modules are chosen between, each with the choices that decide whether it runs.

    What is inside gets what such a module gets, or what follows from that and choices inside.
    """
    return [
        _site(supernet, node)
        for node in walk(supernet.model, opens=_is_opened)
        if isinstance(node.module, OneOf | Repeat | Cell)
    ]


def _site(supernet: Supernet, node: Node, read: Iterable[str] = ()) -> CallSite:
    """The node with the choices that decide whether it runs, and those that it reads."""
    names = {supernet.name_of(choice) for branch in node.branches for choice in _decides(branch)} | set(read)
    return CallSite(node.path, node.module, tuple(name for name in supernet.space.choices if name in names))


def _decides(branch: Branch) -> tuple[Choice, ...]:
    """The choices on which it depends whether the branch runs."""
    if branch.depends is None or all(branch.present(value) for (value,) in outcomes(branch.depends)):
        return ()
    return choices_of(branch.depends)


def _is_opened(node: Node) -> bool:
    if not node.path and type(node.module) is nn.Sequential:
        return True
    return any(isinstance(each, OneOf | Repeat | Cell) for each in node.module.modules())
