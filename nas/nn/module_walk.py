"""One walk through a model of choices: what runs, what may run, and what that depends on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import nn

from nas.nn.elastic import Branch, Elastic
from nas.nn.one_of import OneOf
from nas.nn.switchable import SwitchableBatchNorm2d
from nas.nn.tree import below, children

__all__ = ["Node", "walk"]


@dataclass(frozen=True)
class Node:
    """A module at one of its paths.

    Attributes:
        module: itself.
        path: in the model.
        extracted: its path in an extracted network, where what was chosen stands in place of the choice.
        branches: that lead to it, the outermost first.
        parent: what holds it; None of the model.
    """

    module: nn.Module
    path: str
    extracted: str
    branches: tuple[Branch, ...] = ()
    parent: nn.Module | None = None

    @property
    def chooses(self) -> bool:
        """Whether one of its children stands in its place after extraction."""
        return isinstance(self.module, OneOf | SwitchableBatchNorm2d)


def walk(
    model: nn.Module, path: str = "", *, active: bool = False, opens: Callable[[Node], bool] = lambda node: True
) -> Iterator[Node]:
    """The model and everything that it holds, each before its children; a module at two places is met at both.

    Args:
        path: of the model itself.
        active: leaves out what does not run under the current gates.
        opens: whether the children of a module are met, too.
    """
    yield from _below(Node(model, path, path), active, opens)


def _below(node: Node, active: bool, opens: Callable[[Node], bool]) -> Iterator[Node]:
    yield node
    if not opens(node):
        return
    for branch in _branches(node.module, active):
        extracted = node.extracted if node.chooses else below(node.extracted, branch.name)
        inner = Node(branch.module, below(node.path, branch.name), extracted, (*node.branches, branch), node.module)
        yield from _below(inner, active, opens)


def _branches(module: nn.Module, active: bool) -> Iterator[Branch]:
    if isinstance(module, Elastic) and not active:
        return module.branches()
    held = module.running() if isinstance(module, Elastic) else children(module)
    return (Branch(name, child) for name, child in held)
