"""Costs of architectures that a test can tell by itself."""

from collections.abc import Sequence

import pandas as pd

from nas.space import Architecture, Condition, Space

__all__ = ["NESTED", "SIZES", "costs_in", "table"]

SIZES = Space({f"width{number}": [1, 2, 3, 4] for number in range(12)})
NESTED = Space(
    {"depth": [1, 2, 3], **{f"block{number}": [1, 2, 4] for number in range(3)}},
    {
        f"block{number}": [(Condition(("depth",), frozenset((each,) for each in range(number, 3))),)]
        for number in range(3)
    },
)


def table(architectures: Sequence[Architecture]) -> pd.DataFrame:
    """The sum of what an architecture has but its depth."""
    return pd.DataFrame({"flops": [sum(v for n, v in each.items() if n != "depth") for each in architectures]})


class costs_in:  # noqa: N801
    """Costs in any space: how far up in its order the candidate of each active choice is, and one for each choice."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(self, architectures: Sequence[Architecture]) -> pd.DataFrame:
        return pd.DataFrame({"flops": [sum(map(self._rank, each, each.values())) for each in architectures]})

    def _rank(self, name: str, value: object) -> int:
        return 1 + self.space.order[name].index(self.space.choices[name].index(value))
