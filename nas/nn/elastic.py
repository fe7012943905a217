"""What every module that holds choices has in common."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn.gate import Gates
from nas.nn.tree import children

__all__ = ["Branch", "Copy", "Elastic", "inactive"]


class Copy(Protocol):
    """Makes the plain modules of one network under the active architecture.

    Attributes:
        memo: the copies so far, as ``copy.deepcopy`` keeps them.
    """

    memo: dict[int, Any]

    def __call__(self, module: nn.Module) -> nn.Module:
        """The plain copy of a child; the same one wherever the child stands."""

    def tensor(self, layer: Any, name: str) -> Tensor:
        """A copy of what is in use of a layer's parameter or buffer; the same one wherever that part is in use."""


@dataclass(frozen=True)
class Branch:
    """A child and when it is there.

    Attributes:
        name: its path below the module.
        module: the child.
        depends: the argument that decides; None if the child is always there.
        present: whether the child is there, given the value of that argument.
    """

    name: str
    module: nn.Module
    depends: Any = None
    present: Callable[[Any], bool] = bool


class Elastic(nn.Module):
    """A module whose arguments may be choices.

    ``arguments`` maps argument names to values or expressions; :meth:`configure` receives a gate for each of
    their choices and writes plain numbers and slices into the module. Nothing current lives in a choice.
    """

    arguments: Mapping[str, Any]

    def configure(self, gates: Gates) -> None:
        """Follows the gates until the next call."""
        raise TypeError(f"{type(self).__name__} must define configure()")

    def branches(self) -> Iterator[Branch]:
        """The children, each with the condition under which it runs."""
        for name, child in children(self):
            yield Branch(name, child)

    def running(self) -> Iterator[tuple[str, nn.Module]]:
        """Name and module of the children that run under the current gates."""
        return children(self)

    def plain(self, copy: Copy) -> nn.Module:
        """A plain torch module with the weights of the active architecture, which shares nothing with this one."""
        raise TypeError(f"{type(self).__name__} must define plain()")


def inactive(module: Elastic) -> UsageError:
    """The error for an elastic module that runs before it was configured."""
    return UsageError(
        f"this elastic {type(module).__name__} has no active architecture; "
        "wrap the model in nas.Supernet and call activate()."
    )
