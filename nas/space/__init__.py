"""Choices, architectures and spaces: what may vary. No torch."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas.space.architecture import Architecture as Architecture
    from nas.space.architecture_set import ArchitectureSet as ArchitectureSet, Samplable as Samplable
    from nas.space.choice import Choice as Choice, Subset as Subset, candidate_key as candidate_key
    from nas.space.condition import Condition as Condition, Use as Use
    from nas.space.expression import (
        Concatenation as Concatenation,
        Expression as Expression,
        Operation as Operation,
        choices_of as choices_of,
        concatenate as concatenate,
        evaluate as evaluate,
        expressions_in as expressions_in,
        largest as largest,
        outcomes as outcomes,
        round_to as round_to,
    )
    from nas.space.fidelity import EPOCHS as EPOCHS, Fidelity as Fidelity
    from nas.space.nni_files import to_nni_architecture as to_nni_architecture, to_nni_space as to_nni_space
    from nas.space.notation import Notation as Notation, find_notation as find_notation
    from nas.space.order import are_numbers as are_numbers, order_by_value as order_by_value
    from nas.space.space import SeedLike as SeedLike, Space as Space, generator as generator
    from nas.space.space_file import is_space_file as is_space_file, read_space as read_space
    from nas.space.subspace import Subspace as Subspace

lazy(__name__)
