"""Choices, architectures and spaces: what may vary. No torch."""

from nas.space.architecture import Architecture
from nas.space.choice import Choice, Subset, candidate_key
from nas.space.condition import Condition, Use
from nas.space.expression import (
    Concatenation,
    Expression,
    Operation,
    choices_of,
    concatenate,
    evaluate,
    expressions_in,
    largest,
    outcomes,
    round_to,
)
from nas.space.notation import Notation, find_notation
from nas.space.order import are_numbers, order_by_value
from nas.space.space import SeedLike, Space, generator
from nas.space.subspace import Subspace

__all__ = [
    "Architecture",
    "Choice",
    "Concatenation",
    "Condition",
    "Expression",
    "Notation",
    "Operation",
    "SeedLike",
    "Space",
    "Subset",
    "Subspace",
    "Use",
    "are_numbers",
    "candidate_key",
    "choices_of",
    "concatenate",
    "evaluate",
    "expressions_in",
    "find_notation",
    "generator",
    "largest",
    "order_by_value",
    "outcomes",
    "round_to",
]
