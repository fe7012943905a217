"""An architecture as a vector that a router can read."""

from collections.abc import Sequence
from typing import Any

from nas.space import Architecture, Space, are_numbers, candidate_key

__all__ = ["ArchitectureEmbedding"]


class ArchitectureEmbedding:
    """A number in [0, 1] for each numeric choice and a one-hot vector for any other; zeros where one is inactive.

    Numbers are placed between the least and the greatest candidate.

    >>> embed = ArchitectureEmbedding(Space({"width": [32, 64, 96], "operation": ["pool", "conv"]}))
    >>> embed(Architecture({"width": 64, "operation": "conv"}))
    (0.5, 0.0, 1.0)
    """

    def __init__(self, space: Space) -> None:
        self._codes = {
            name: {candidate_key(value): code for value, code in zip(candidates, _codes(candidates), strict=True)}
            for name, candidates in space.choices.items()
        }
        self._inactive = {name: (0.0,) * len(_codes(candidates)[0]) for name, candidates in space.choices.items()}

    def __call__(self, architecture: Architecture) -> tuple[float, ...]:
        parts = (
            codes[candidate_key(architecture[name])] if name in architecture else self._inactive[name]
            for name, codes in self._codes.items()
        )
        return tuple(number for part in parts for number in part)


def _codes(candidates: Sequence[Any]) -> list[tuple[float, ...]]:
    if are_numbers(candidates):
        least, span = min(candidates), max(candidates) - min(candidates)
        return [((each - least) / (span or 1),) for each in candidates]
    return [tuple(float(each == other) for other in range(len(candidates))) for each in range(len(candidates))]
