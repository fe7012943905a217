"""When a choice is there at all."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Condition", "Use", "assignments", "holds", "is_active", "settled"]


@dataclass(frozen=True)
class Condition:
    """True when the named choices together take one of the allowed combinations.

    Attributes:
        names: choices it looks at.
        allowed: tuples of candidate indices, one index a name.
    """

    names: tuple[str, ...]
    allowed: frozenset[tuple[int, ...]]

    def to_json(self) -> dict[str, Any]:
        """In JSON values, the same for equal conditions."""
        return {"names": self.names, "allowed": sorted(self.allowed)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Condition":
        return cls(tuple(data["names"]), frozenset(map(tuple, data["allowed"])))


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


def settled(uses: Mapping[str, Sequence[Use]], pick: Callable[[str], int]) -> dict[str, int]:
    """Asks for an index of every choice that turns out to be active, those that decide others first."""
    chosen: dict[str, int] = {}
    waiting = list(uses)
    while waiting:
        still_open = []
        for name in waiting:
            active = is_active(uses[name], chosen)
            if active:
                chosen[name] = pick(name)
            elif active is None:
                still_open.append(name)
        if len(still_open) == len(waiting):
            break
        waiting = still_open
    return chosen


def assignments(sizes: Mapping[str, int], uses: Mapping[str, Sequence[Use]]) -> Iterator[dict[str, int]]:
    """Every way to give the active choices indices, lazily, in lexicographic order."""

    def extended(chosen: dict[str, int], waiting: list[str]) -> Iterator[dict[str, int]]:
        for position, name in enumerate(waiting):
            if is_active(uses[name], chosen):
                rest = waiting[:position] + waiting[position + 1 :]
                for index in range(sizes[name]):
                    yield from extended({**chosen, name: index}, rest)
                return
        yield chosen

    return extended({}, list(sizes))
