"""A whole set of weights for each of several groups of architectures."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.sharing.bank import Bank, Override, held, is_within, tensor_refs
from nas.sharing.sharing import Sharing
from nas.space import Architecture, Space

__all__ = ["OneBank"]


class OneBank(Sharing):
    """An architecture sees the parameters and buffers of one bank, batch-norm statistics included; to be extended.

    Bank 0 is the model itself, the others begin as copies of it. What a bank does not train has no gradient, so neither
    momentum nor weight decay moves it.

    Args:
        models: number of banks.

    Raises:
        UsageError: fewer than one.
    """

    def __init__(self, models: int) -> None:
        super().__init__()
        if models < 1:
            raise UsageError(f"{type(self).__name__} has models={models}; give 1 or more.")
        self.models = models

    def bind(self, model: nn.Module, space: Space) -> None:
        self.space = space
        self._refs = tensor_refs(model)
        self.copies = nn.ModuleList(Bank(self.first_tensors(model, bank)) for bank in range(1, self.models))

    def first_tensors(self, model: nn.Module, bank: int) -> Mapping[str, Tensor]:
        """What a bank other than the first begins with, by name in the model: the values that the model has."""
        return held(model)

    @property
    def banks(self) -> int:
        return self.models

    def bank_of(self, architecture: Architecture) -> int:
        raise TypeError(f"{type(self).__name__} must define bank_of()")

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> Sequence[Override]:
        return self.weights_of_gates(bank, within)

    def weights_of_gates(self, bank: int | None, within: str = "") -> Sequence[Override]:
        if not bank:
            return ()
        tensors = self.tensors(bank)
        return [Override(ref.module, ref.name, tensors[ref.key]) for ref in self._refs if is_within(ref.path, within)]

    def key(self, architecture: Architecture, bank: int | None, path: str) -> Hashable:
        return bank

    def check_bank(self, bank: int) -> int:
        if not 0 <= bank < self.models:
            raise UsageError(f"bank {bank} does not exist; there are {self.models}, counted from 0.")
        return bank

    def tensors(self, bank: int) -> dict[str, Tensor]:
        """The parameters and buffers of a bank by their name in the model."""
        if not bank:
            return {ref.key: ref.tensor for ref in self._refs}
        copy = cast(Bank, self.copies[self.check_bank(bank) - 1])
        return {ref.key: copy[ref.key] for ref in self._refs}

    @torch.no_grad()
    def copy_bank(self, source: int, target: int) -> None:
        """Gives a bank the values of another."""
        values = self.tensors(source)
        for name, tensor in self.tensors(target).items():
            tensor.copy_(values[name])

    def describe(self) -> dict[str, Any]:
        sizes = [tensor.numel() for tensor in self.tensors(0).values() if isinstance(tensor, nn.Parameter)]
        return {**super().describe(), "parameters_of_one": sum(sizes)}
