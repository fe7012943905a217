"""The number by which the networks of a data set are compared."""

from dataclasses import dataclass

__all__ = ["ACCURACY", "BITS_PER_CHARACTER", "Metric"]


@dataclass(frozen=True)
class Metric:
    """A column of the tables that evaluators return, and which end of it is the good one.

    Attributes:
        name: of the column; its 95 % interval is in ``{name}_low`` and ``{name}_high``.
        maximise: whether more is better.
    """

    name: str
    maximise: bool


ACCURACY = Metric("accuracy", maximise=True)
"""Share of the labels that are predicted, between 0 and 1."""

BITS_PER_CHARACTER = Metric("bits_per_character", maximise=False)
"""Mean cross-entropy of the next character to base 2; log2(characters) for a guess by no knowledge at all."""
