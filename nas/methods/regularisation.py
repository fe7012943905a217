"""What is done to the largest subnet alone while it trains, and to the branches beside shortcuts before."""

from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nas.errors import UsageError
from nas.nn.batch_norms import batch_norms
from nas.nn.branches import branch_paths
from nas.training import Context, Listener
from nas.training.drop_path import DropPath

__all__ = ["LastDropout", "Regularised", "ZeroBranches", "branches_of"]


def branches_of(model: nn.Module) -> list[str]:
    """Module paths of what blocks add to a shortcut, which they name as their ``branch``.

    Raises:
        UsageError: no block has one.
    """
    found = branch_paths(model)
    if not found:
        raise UsageError(
            f"{type(model).__name__} has no block that names the module whose output it adds to a shortcut, so nothing "
            "can be dropped or zeroed there; set its attribute branch, such as branch = 'project'."
        )
    return found


class LastDropout:
    """While it is open, numbers that the last linear layer reads are dropped in training mode.

    Args:
        model: hooks on its modules are gone on leaving.
        rate: probability that a number is dropped.

    Raises:
        UsageError: there is no linear layer.
    """

    def __init__(self, model: nn.Module, rate: float) -> None:
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise UsageError(
                f"{type(model).__name__} has no linear layer, whose inputs could be dropped; leave dropout 0."
            )
        self.layer, self.rate = linear[-1], rate
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        self._handles.append(self.layer.register_forward_pre_hook(self._drop))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handles.pop().remove()

    def _drop(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        dropped: Tensor = F.dropout(inputs[0], self.rate, module.training)
        return (dropped, *inputs[1:])


class Regularised:
    """While it is open, a model is regularised as the largest subnet of BigNAS is (Yu et al., 2020).

    Args:
        model: the model with choices.
        dropout: probability that a number which the last linear layer reads is dropped.
        drop_path: probability that a branch beside a shortcut is dropped for an example.

    Raises:
        UsageError: there is no such layer, or no such branch.
    """

    def __init__(self, model: nn.Module, dropout: float, drop_path: float) -> None:
        self._parts: list[AbstractContextManager[Any]] = [LastDropout(model, dropout)] if dropout else []
        if drop_path:
            drop = DropPath(model, branches_of(model))
            drop.rate = drop_path
            self._parts.append(drop)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for part in self._parts:
            self._open.enter_context(part)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()


class ZeroBranches(Listener):
    """Makes the scales of the last batch norm of each branch zero when training begins, so that blocks begin as their
    shortcuts (Goyal et al., 2017).

    Args:
        model: the model with choices.

    Raises:
        UsageError: no block names its branch.
    """

    def __init__(self, model: nn.Module) -> None:
        branches = [model.get_submodule(path) for path in branches_of(model)]
        self.norms = [norms[-1] for branch in branches if (norms := batch_norms(branch.modules()))]

    @torch.no_grad()
    def begin(self, context: Context) -> None:
        for norm in self.norms:
            norm.weight.zero_()
