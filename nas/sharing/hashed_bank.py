"""All weights drawn from one bank of numbers by a hash that nobody chose: what any cleverer sharing has to beat."""

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas.errors import UsageError
from nas.sharing.bank import Bank, Override, Source, TensorRef, is_within, tensor_refs
from nas.sharing.sharing import Sharing
from nas.space import Architecture, Space
from nas.streams import Stream, rng

__all__ = ["HashedBank"]

_NUMBERS = "numbers"


class HashedBank(Sharing):
    """Weights are read, block by block, at random places of one bank that is smaller than they are (random parameter
    sharing; STABLE-RPS, Desai and Shrivastava, 2023, reconstructed).

    All weights are cut into blocks of consecutive numbers; in a random order they are dealt to the places of the bank
    in turn, so that no two places differ by more than one in how many blocks read them. A block is the place's numbers
    times a random sign and the ratio of two spreads, its tensor's by that of the tensor whose block came there first.
    That first block has sign and ratio 1, and its values are what the bank begins with: with a share of 1 every block
    has a place of its own and training is that of weights which are not shared. Gradients of a place are sums over its
    blocks; the authors rescale them besides.

    The size of the bank is that of all architectures. An extracted network has the weights that were read,
    :meth:`nas.Supernet.stored_parameters` counts the bank and what is not in it.

    Args:
        share: numbers in the bank, as a share of those of the weights that read it; above 0, at most 1.
        block: consecutive numbers that stay together; the last of a tensor is filled up.
        only: patterns of the names of weights, as in ``fnmatch``; vectors keep weights of their own.
        seed: of places and signs.

    Raises:
        UsageError: a share or a block that is none.
    """

    name = "hashed-bank"

    def __init__(self, share: float = 0.5, block: int = 32, only: str | Sequence[str] = ("*",), seed: int = 0) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise UsageError(f"HashedBank has share={share:g}; give a number above 0 and at most 1.")
        if block < 1:
            raise UsageError(f"HashedBank has block={block}; give 1 or more.")
        self.share, self.block, self.seed = share, block, seed
        self.only = (only,) if isinstance(only, str) else tuple(only)

    @torch.no_grad()
    def bind(self, model: nn.Module, space: Space) -> None:
        """Makes the bank.

        Raises:
            UsageError: no weight matches.
        """
        self._refs = self._hashed(model)
        own = {ref.key: ref.tensor for ref in self._refs}
        counts = [math.ceil(tensor.numel() / self.block) for tensor in own.values()]
        places, signs, first = self._deal(sum(counts))
        spreads = torch.repeat_interleave(
            torch.stack([tensor.float().std(correction=0) for tensor in own.values()]), torch.tensor(counts)
        )
        factors = signs * spreads / spreads[first][places]
        blocks = torch.cat([self._blocks(tensor) for tensor in own.values()])
        made: dict[str, Tensor] = {_NUMBERS: nn.Parameter(blocks[first].clone())}
        of_tensors = (torch.split(each, counts) for each in (places, factors.to(blocks)))
        for key, place, factor in zip(own, *of_tensors, strict=True):
            made |= {f"{key}.places": place, f"{key}.factors": factor[:, None]}
        self.bank = Bank(made)

    def weights(self, architecture: Architecture, bank: int | None, within: str = "") -> list[Override]:
        here = [ref for ref in self._refs if is_within(ref.path, within) or is_within(within, ref.path)]
        numbers = self.bank[_NUMBERS]
        made_of = (Source(numbers, tuple(numbers.shape), (None, None)),)
        read = {ref.key: self._read(ref) for ref in here}
        return [Override(ref.module, ref.name, read[ref.key], made_of) for ref in here]

    def describe(self) -> dict[str, Any]:
        names = list(dict.fromkeys(ref.key for ref in self._refs))
        return {**super().describe(), "numbers": self.bank[_NUMBERS].numel(), "block": self.block, "weights": names}

    def _read(self, ref: TensorRef) -> Tensor:
        own = ref.tensor
        blocks = self.bank[_NUMBERS][self.bank[f"{ref.key}.places"]] * self.bank[f"{ref.key}.factors"]
        return blocks.flatten()[: own.numel()].view(own.shape)

    def _deal(self, blocks: int) -> tuple[Tensor, Tensor, Tensor]:
        """For each block its place and its sign, and for each place the first block that came there."""
        places = max(1, round(self.share * blocks))
        draws = rng(self.seed, Stream.HASHED_BLOCKS)
        order = draws.permutation(blocks)
        place, sign = np.empty(blocks, np.int64), np.empty(blocks)
        place[order] = np.arange(blocks) % places
        sign[order] = np.where(np.arange(blocks) < places, 1, draws.choice([-1, 1], blocks))
        return torch.from_numpy(place), torch.from_numpy(sign), torch.from_numpy(order[:places].copy())

    def _blocks(self, tensor: Tensor) -> Tensor:
        """``[blocks, block]``, the last one filled up with its tensor's first numbers."""
        flat = tensor.detach().flatten()
        missing = -len(flat) % self.block
        return torch.cat([flat, flat.repeat(math.ceil(missing / len(flat)))[:missing]]).view(-1, self.block)

    def _hashed(self, model: nn.Module) -> list[TensorRef]:
        """Where the weights are held that read the bank."""
        found = [
            ref
            for ref in tensor_refs(model)
            if isinstance(ref.tensor, nn.Parameter)
            and ref.tensor.dim() > 1
            and any(fnmatchcase(ref.key, pattern) for pattern in self.only)
        ]
        if not found:
            raise UsageError(
                f"no weight of {type(model).__name__} has a name that matches only={list(self.only)}; name others, "
                "such as 'layers.*.weight'."
            )
        return found
