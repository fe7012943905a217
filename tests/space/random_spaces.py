"""Random spaces for the property tests, and what a space means, written down a second time without any cleverness."""

import itertools
from typing import Any

from hypothesis import strategies as st

from nas.space import Condition, Space, Use

__all__ = ["brute_force", "spaces"]

_CANDIDATES: list[Any] = [0, 1, 2, 3.5, -4, "a", "b", None, True, [1, 2], [3]]


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Up to six choices; later ones are used in up to two places, each under up to two conditions on earlier ones."""
    names = [f"c{index}" for index in range(draw(st.integers(1, 6)))]
    choices: dict[str, list[Any]] = {}
    uses: dict[str, list[Use]] = {}
    for name in names:
        picked = draw(st.lists(st.sampled_from(range(len(_CANDIDATES))), min_size=1, max_size=4, unique=True))
        choices[name] = [_CANDIDATES[index] for index in picked]
        earlier = list(uses)
        if draw(st.booleans()):
            uses[name] = [()]
        else:
            places = st.lists(_conditions(earlier, choices), min_size=1, max_size=2)
            uses[name] = [tuple(conditions) for conditions in draw(places)]
    order = draw(st.permutations(names))
    return Space({name: choices[name] for name in order}, uses)


def _conditions(earlier: list[str], choices: dict[str, list[Any]]) -> st.SearchStrategy[list[Condition]]:
    if not earlier:
        return st.just([])
    return st.lists(
        st.lists(st.sampled_from(earlier), min_size=1, max_size=2, unique=True).flatmap(
            lambda names: _condition(tuple(names), choices)
        ),
        max_size=2,
    )


def _condition(names: tuple[str, ...], choices: dict[str, list[Any]]) -> st.SearchStrategy[Condition]:
    every = list(itertools.product(*(range(len(choices[name])) for name in names)))
    return st.sets(st.sampled_from(every), max_size=len(every)).map(lambda some: Condition(names, frozenset(some)))


def brute_force(space: Space) -> set[frozenset[tuple[str, int]]]:
    """Every architecture as (name, index) pairs: the full product with inactive choices left out."""
    sizes = [range(len(candidates)) for candidates in space.choices.values()]
    return {_canonical(space, dict(zip(space.choices, row, strict=True))) for row in itertools.product(*sizes)}


def _canonical(space: Space, indices: dict[str, int]) -> frozenset[tuple[str, int]]:
    def active(name: str) -> bool:
        return any(all(reached(condition) for condition in use) for use in space.uses[name])

    def reached(condition: Condition) -> bool:
        return all(map(active, condition.names)) and tuple(indices[n] for n in condition.names) in condition.allowed

    return frozenset((name, index) for name, index in indices.items() if active(name))
