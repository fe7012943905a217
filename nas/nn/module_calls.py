"""What each call of a model's modules gives, and where a model of the same paths first gives something else."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

__all__ = ["Call", "calls", "first_different_call", "tensors"]

A = TypeVar("A")
B = TypeVar("B")


class Call(NamedTuple):
    """The call of a module, counted from 1."""

    path: str
    number: int

    def __str__(self) -> str:
        return self.path if self.number == 1 else f"{self.path} (call {self.number})"


def calls(places: Iterable[tuple[str, nn.Module]], run: Callable[[], object]) -> dict[Call, list[Tensor]]:
    """The tensors that each call gives, in the order in which calls end.

    They are copies, since what comes next may write over an output.

    Args:
        places: paths and modules; one of several paths goes by the first, the model itself (no path) is left out.
        run: runs the model.
    """
    found: dict[Call, list[Tensor]] = {}
    number, paths = Counter[str](), dict[nn.Module, str]()

    def noting(path: str) -> Callable[..., None]:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            number[path] += 1
            found[Call(path, number[path])] = [each.detach().clone() for each in tensors(output)]

        return note

    for path, module in places:
        paths.setdefault(module, path)
    with ExitStack() as stack:
        for module, path in paths.items():
            if path:
                stack.callback(module.register_forward_hook(noting(path)).remove)
        run()
    return found


def first_different_call(
    some: Mapping[Call, A], others: Mapping[Call, B], differ: Callable[[A, B], bool]
) -> Call | None:
    """The first call, of those that both have, whose outputs differ."""
    return next((call for call, given in some.items() if call in others and differ(given, others[call])), None)


def tensors(output: object) -> list[Tensor]:
    """The tensors of an output, however it is nested."""
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
