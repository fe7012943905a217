"""Drop path: whole operations of a plain network are dropped while it trains."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nas.nn import Cell
from nas.nn.module_walk import walk
from nas.nn.tree import modules
from nas.training.context import Context
from nas.training.listener import Listener

__all__ = ["DropPath", "RisingDropPath", "cell_edges"]


class DropPath:
    """While it is open, operations are dropped for each example of a batch by itself (Larsson et al., 2017).

    What is kept is divided by the probability of being kept. Identities are never dropped (Liu et al., 2019), and
    nothing is in evaluation mode.

    Args:
        network: a plain network; hooks on its modules are gone on leaving.
        paths: module paths of the operations, such as :func:`cell_edges` finds.

    Attributes:
        rate: probability that an operation is dropped; 0 at first.
    """

    def __init__(self, network: nn.Module, paths: Iterable[str]) -> None:
        operations = {id(module): module for module in map(network.get_submodule, paths)}
        self.operations = [each for each in operations.values() if not isinstance(each, nn.Identity)]
        self.rate = 0.0
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        self._handles = [each.register_forward_hook(self._drop) for each in self.operations]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _drop(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        if not module.training or self.rate == 0:
            return output
        kept = output.new_empty((len(output), *(1,) * (output.dim() - 1))).bernoulli_(1 - self.rate)
        return output * kept / (1 - self.rate)


class RisingDropPath(Listener):
    """Raises the rate of :class:`DropPath` from zero, epoch by epoch.

    Args:
        drop: open while the training runs.
        largest: rate after the last epoch; epoch ``e`` of ``n`` has ``largest * e / n``, as in the code of DARTS.
    """

    def __init__(self, drop: DropPath, largest: float) -> None:
        self.drop, self.largest = drop, largest

    def before_step(self, context: Context) -> None:
        self.drop.rate = self.largest * context.recipe_epoch / context.recipe.epochs

    def record(self) -> dict[str, Any]:
        return {"drop_path": self.drop.rate}


def cell_edges(model: nn.Module, network: nn.Module) -> list[str]:
    """Module paths of the operations on the edges of cells in an extracted network.

    Args:
        model: with choices; its cells are looked for.
        network: the plain network of an architecture of it.
    """
    present = {path for path, _ in modules(network)}
    possible = dict.fromkeys(node.extracted for node in walk(model) if isinstance(node.parent, Cell))
    return [path for path in possible if path in present]
