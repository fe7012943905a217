"""When a choice is there at all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Condition", "Use", "holds", "is_active"]


@dataclass(frozen=True)
class Condition:
    """True when the named choices together take one of the allowed combinations.

    Attributes:
        names: choices it looks at.
        allowed: tuples of candidate indices, one index a name.
    """

    names: tuple[str, ...]
    allowed: frozenset[tuple[int, ...]]


Use = tuple[Condition, ...]
"""One place where a choice is used, with the conditions on the way there; all of them must hold."""


def holds(condition: Condition, chosen: Mapping[str, int]) -> bool | None:
    """Whether the condition holds under a partial assignment; None while it is open."""
    known = [chosen.get(name) for name in condition.names]
    if None not in known:
        return tuple(known) in condition.allowed
    fits = any(
        all(have is None or have == want for have, want in zip(known, wanted, strict=True))
        for wanted in condition.allowed
    )
    return None if fits else False


def is_active(uses: Iterable[Use], chosen: Mapping[str, int]) -> bool | None:
    """Whether any use is reached under a partial assignment; None while that is open."""
    open_use = False
    for use in uses:
        states = [holds(condition, chosen) for condition in use]
        if False in states:
            continue
        if None not in states:
            return True
        open_use = True
    return None if open_use else False
