"""Which networks enter the last round of a search."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nas.setup.run_setup import Setup
from nas.space import Architecture

__all__ = ["Entrant", "choose_entrants"]

_DIFFERENT = 0.1

Row = Mapping[str, Any]


class Entrant(NamedTuple):
    """A network of the last round.

    Attributes:
        row: what the search knows of it.
        origin: "score", "scaled alike" or "random".
    """

    row: Row
    origin: str

    @property
    def architecture(self) -> Architecture:
        return Architecture.from_json(self.row["architecture"])


def choose_entrants(
    setup: Setup, rows: Sequence[Row], scaled: Architecture | None, random: Sequence[Architecture], count: int
) -> list[Entrant]:
    """The best by their scores that differ from each other, the one scaled alike, and the best of random draws.

    A network differs from another if they share less than nine tenths of their choices.

    Args:
        rows: of the search, all of which satisfy the constraints.
        scaled: see :func:`nas.search.scaled_alike`; it has a row, unless it violates a constraint as measured.
        random: what was drawn at random, likewise.
        count: how many; fewer where there are not so many.
    """
    best_first = sorted(rows, key=lambda row: (setup.objective.value(row), row[setup.cost], row["id"]))
    drawn = {architecture.id for architecture in random}
    plain = [
        next((Entrant(row, "scaled alike") for row in rows if scaled is not None and row["id"] == scaled.id), None),
        next((Entrant(row, "random") for row in best_first if row["id"] in drawn), None),
    ]
    besides = [each for each in plain if each is not None][: max(0, count - 2)]
    chosen: list[Entrant] = []
    for row in best_first:
        if len(chosen) + len(besides) < count and all(_differ(row, each.row) for each in (*chosen, *besides)):
            chosen.append(Entrant(row, "score"))
    return list({each.row["id"]: each for each in (*besides, *chosen)}.values())


def _differ(row: Row, other: Row) -> bool:
    """Whether they share less than nine tenths of the choices that either has."""
    one, two = (Architecture.from_json(each["architecture"]) for each in (row, other))
    names = one.keys() | two.keys()
    different = [name for name in names if one.get(name) != two.get(name)]
    return len(different) > _DIFFERENT * len(names)
