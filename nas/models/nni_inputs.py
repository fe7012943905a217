"""Modules that take one or several of a list of tensors, as cells of NNI do."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.nn import Elastic, Gate, Gates
from nas.nn.elastic import Copy, inactive
from nas.nn.graph import as_graph

__all__ = ["FromState", "SelectedInputs"]


class SelectedInputs(Elastic):
    """Some of a list of tensors, reduced to one: NNI's ``InputChoice``.

    Under a soft gate every tensor is weighted by its gate.

    Args:
        chosen: a :class:`~nas.space.Subset` of the positions.
        reduction: "sum", "mean", or "concat" along the channels.

    Raises:
        UsageError: another reduction.
    """

    def __init__(self, chosen: Any, reduction: str = "sum") -> None:
        super().__init__()
        if reduction not in ("sum", "mean", "concat"):
            raise UsageError(f"inputs cannot be reduced by '{reduction}'; use 'sum', 'mean' or 'concat'.")
        self.arguments = {"chosen": chosen}
        self.reduction = reduction

    def configure(self, gates: Gates) -> None:
        self._gate = gates[self.arguments["chosen"]]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        if "_gate" not in vars(self):
            raise inactive(self)
        return self._reduced(inputs, self._gate)

    def plain(self, copy: Copy) -> nn.Module:
        return as_graph(self)

    def _reduced(self, inputs: Sequence[Tensor], gate: Gate) -> Tensor:
        if gate.weights is None:
            taken = [inputs[index] for index in gate.values[0]]
        else:
            taken = [weight * inputs[index] for index, weight in zip(gate.values, gate.weights, strict=True)]
        size = len(self.arguments["chosen"].candidates[0])
        if self.reduction == "concat" and size > 1:
            if gate.weights is not None:
                raise UsageError("inputs that are joined along the channels cannot be mixed; use the reduction 'sum'.")
            return torch.cat(taken, 1)
        total: Tensor = sum(taken[1:], taken[0])
        return total if self.reduction == "sum" else total / size


class FromState(Elastic):
    """An operation on one of a list of tensors.

    Args:
        state: its position.
        operation: what it is given to.
    """

    def __init__(self, state: int, operation: nn.Module) -> None:
        super().__init__()
        self.arguments = {}
        self.state = state
        self.operation = operation

    def configure(self, gates: Gates) -> None:
        """Nothing to follow."""

    def forward(self, states: Sequence[Tensor]) -> Any:
        return self.operation(states[self.state])

    def plain(self, copy: Copy) -> nn.Module:
        return as_graph(FromState(self.state, copy(self.operation)).train(self.training))
