"""A few random architectures of a population, evaluated: what a process does at a time, and what is recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nas.space_study.population import Population
from nas.streams import Stream, rng

__all__ = ["DRAWN_AT_ONCE", "Draws", "draw"]

DRAWN_AT_ONCE = 10


@dataclass(frozen=True)
class Draws:
    """Architectures of a population in the order drawn.

    Attributes:
        population: its label.
        number: which draws of the population these are, from 0.
        architectures: canonical JSON of each.
        values: of the metric; None where an architecture has none.
    """

    population: str
    number: int
    architectures: Sequence[str]
    values: Sequence[float | None]

    def record(self) -> dict[str, Any]:
        """In plain values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Draws":
        return cls(**record)


def draw(populations: Mapping[str, Population], label: str, number: int, seed: int) -> Draws:
    """Some of a population; they depend on its label, the number and the seed alone.

    Raises:
        UsageError: hardly any architecture meets the conditions, or the evaluator fails.
    """
    population = populations[label]
    draws = rng(seed, Stream.POPULATION, population.number, number)
    found = [population.draw(draws) for _ in range(DRAWN_AT_ONCE)]
    return Draws(label, number, [each.key for each, _ in found], [value for _, value in found])
