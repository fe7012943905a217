"""Temperatures that fall while the training goes on."""

import math
from collections.abc import Callable

from nas.errors import UsageError

__all__ = ["Annealing", "Temperature", "checked", "cosine", "linear"]

Temperature = tuple[float, float]
Annealing = Callable[[Temperature, float], float]


def linear(temperature: Temperature, progress: float) -> float:
    """The temperature when a share ``progress`` of the way from the first to the last is done."""
    first, last = temperature
    return first + (last - first) * progress


def cosine(temperature: Temperature, progress: float) -> float:
    """As :func:`linear`, slow at both ends: half a period of a cosine."""
    first, last = temperature
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


def checked(temperature: Temperature) -> Temperature:
    """The temperature; UsageError if it is not two positive numbers."""
    if len(temperature) != 2 or not all(0 < value < math.inf for value in temperature):
        raise UsageError(
            f"temperature={temperature} must be two positive numbers, the first and the last; try (10, 0.1)."
        )
    return temperature
