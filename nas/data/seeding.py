"""Random numbers as a function of a few integers, never of global state."""

import numpy as np
import torch

__all__ = ["Seed", "generator"]

Seed = int | tuple[int, ...]
"""One non-negative integer, or several such as ``(run_seed, epoch)``."""


def generator(seed: Seed, *more: int) -> torch.Generator:
    """A CPU generator that depends on all the numbers, their order and how many there are.

    It lives on the CPU so that every device sees the same draws.
    """
    numbers = (*((seed,) if isinstance(seed, int) else seed), *more)
    entropy = np.random.SeedSequence([len(numbers), *numbers]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(entropy[0] >> np.uint64(1)))
