"""The expected cost of a relaxed architecture, differentiable in its gates."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.predictors import BlockTable
from nas.space import Space

__all__ = ["ExpectedCost"]


class ExpectedCost(nn.Module):
    """Expectation of a sum over blocks when every choice is drawn by its own gate weights.

    A block's cost is a table over the choices that decide about it, so its expectation is the table contracted with
    their gate weights: exact, and equal to the cost of the architecture where gates are one-hot (ProxylessNAS, Cai et
    al., 2019, equation 2, for any number of choices a block).

    Args:
        space: of the table.
        table: of one column, such as what :meth:`nas.predictors.ArchitecturePredictor.sums` gives.
        constant: added to the sum.
        dtype: of the result.

    Raises:
        UsageError: the table has several columns.

    >>> import numpy as np
    >>> from nas.predictors import BlockValues
    >>> table = BlockTable(["ms"], [BlockValues((0,), np.array([[1.0], [3.0], [0.0]]))])
    >>> cost = ExpectedCost(Space({"kernel": [3, 5]}), table, constant=0.5)
    >>> cost({"kernel": torch.tensor([0.25, 0.75])})
    tensor(3.)
    """

    def __init__(
        self, space: Space, table: BlockTable, constant: float = 0.0, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        if len(table.columns) != 1:
            raise UsageError(
                f"an expected cost is a table of one column, but this one has {len(table.columns)}: "
                f"{', '.join(table.columns)}; take one with part([name])."
            )
        names = list(space.choices)
        self.register_buffer("constant", torch.tensor(constant, dtype=dtype), persistent=False)
        self._choices = [tuple(names[choice] for choice in block.choices) for block in table.blocks]
        for number, block in enumerate(table.blocks):
            values = torch.as_tensor(block.values[..., 0], dtype=dtype)
            active = values[tuple(slice(-1) for _ in block.choices)]
            self.register_buffer(f"values{number}", active.contiguous(), persistent=False)

    def forward(self, gates: Mapping[str, Tensor]) -> Tensor:
        """The expected cost (a scalar) under a weight ``[candidates]`` for each choice, each summing to one.

        Raises:
            UsageError: a choice that decides about a block has not a weight for each of its candidates.
        """
        costs = (self._expectation(number, gates) for number in range(len(self._choices)))
        return sum(costs, self.get_buffer("constant"))

    def _expectation(self, number: int, gates: Mapping[str, Tensor]) -> Tensor:
        values = self.get_buffer(f"values{number}")
        for name in self._choices[number]:
            if name not in gates or gates[name].shape != values.shape[:1]:
                raise UsageError(f"choice '{name}' needs a tensor of {len(values)} gate weights.")
            values = torch.tensordot(gates[name].to(values), values, dims=1)
        return values
