"""Random numbers as a function of a few integers, never of global state."""

import torch

from nas.streams import derive_seed

__all__ = ["Seed", "generator"]

Seed = int | tuple[int, ...]
"""One non-negative integer, or several such as ``(run_seed, stream, epoch)``."""


def generator(seed: Seed, *more: int) -> torch.Generator:
    """A CPU generator that depends on all the numbers, their order and how many there are.

    It lives on the CPU so that every device sees the same draws.
    """
    return torch.Generator().manual_seed(derive_seed(*((seed,) if isinstance(seed, int) else seed), *more))
