"""Where a supernet can run something: its blocks, with the choices that decide whether and what each runs.

Costs that add up are tables over these blocks (ProxylessNAS, Cai et al. 2019; once-for-all, Cai et al. 2020).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from nas.nn import Cell, Elastic, OneOf, Repeat, Zero
from nas.nn.elastic import Branch
from nas.nn.tree import below, children
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
    order = {name: number for number, name in enumerate(supernet.space.choices)}
    found = []
    for path, module, deciding in _walk(supernet.model, "", ()):
        if not _is_opened(module, path):
            names = {supernet.name_of(choice) for choice in deciding} | set(supernet.read_by(path))
            found.append(CallSite(path, module, tuple(sorted(names, key=order.__getitem__))))
    return found


def junctions(supernet: Supernet) -> list[CallSite]:
    """Where modules are chosen between, each with the choices that decide whether it runs.

    What is inside gets what such a module gets, or what follows from that and choices inside.
    """
    order = {name: number for number, name in enumerate(supernet.space.choices)}
    found = []
    for path, module, deciding in _walk(supernet.model, "", ()):
        if isinstance(module, OneOf | Repeat | Cell):
            names = {supernet.name_of(choice) for choice in deciding}
            found.append(CallSite(path, module, tuple(sorted(names, key=order.__getitem__))))
    return found


def _walk(
    module: nn.Module, path: str, deciding: tuple[Choice, ...]
) -> Iterator[tuple[str, nn.Module, tuple[Choice, ...]]]:
    if isinstance(module, Zero):
        return
    yield path, module, deciding
    if not _is_opened(module, path):
        return
    for branch in _branches(module):
        yield from _walk(branch.module, below(path, branch.name), (*deciding, *_decides(branch)))


def _decides(branch: Branch) -> tuple[Choice, ...]:
    """The choices on which it depends whether the branch runs."""
    if branch.depends is None or all(branch.present(value) for (value,) in outcomes(branch.depends)):
        return ()
    return choices_of(branch.depends)


def _is_opened(module: nn.Module, path: str) -> bool:
    if not path and type(module) is nn.Sequential:
        return True
    return any(isinstance(each, OneOf | Repeat | Cell) for each in module.modules())


def _branches(module: nn.Module) -> Iterator[Branch]:
    if isinstance(module, Elastic):
        return module.branches()
    return (Branch(name, child) for name, child in children(module))
