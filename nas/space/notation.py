"""How a published benchmark writes its architectures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nas.parts import Slot

__all__ = ["Notation", "find_notation"]


@dataclass(frozen=True)
class Notation:
    """Reads architectures from tables that others measured.

    A package offers one for its space through an entry point in the group ``nas.notations``, under the name that
    the space has in ``nas.spaces``.

    Attributes:
        columns: the columns of such a table that describe an architecture.
        parse: the values of these columns, in this order → choice name → candidate. It is given what the table
            holds (text in a CSV file, text, numbers or lists in parquet), may leave out inactive choices, and raises
            :class:`~nas.errors.UsageError` for a value of another form.
        input_size: the column with the height and width in pixels at which a row was measured, in tables that have it.
    """

    columns: tuple[str, ...]
    parse: Callable[..., dict[str, Any]]
    input_size: str | None = None


_NOTATIONS: Slot[Notation] = Slot(
    "notation of space", "nas.notations", {}, lambda part: isinstance(part, Notation), "a nas.space.Notation"
)


def find_notation(space: str) -> Notation | None:
    """The notation registered for a space; None if it has none, as for a space named by ``module:function``.

    Raises:
        UsageError: what is registered is no notation.
    """
    return next((_NOTATIONS[name] for name in _NOTATIONS if name == space), None)
