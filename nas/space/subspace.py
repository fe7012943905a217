"""A part of a space: the architectures that take only some candidates of its choices."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.errors import UsageError, did_you_mean
from nas.space.architecture import Architecture
from nas.space.choice import candidate_key
from nas.space.space import SeedLike, Space, generator

__all__ = ["Subspace"]


class Subspace:
    """Where path samplers draw while a supernet grows, or shrinks progressively (Once-for-all, Cai et al., 2020).

    Args:
        space: the whole.
        candidates: choice → those of its candidates that may be taken; choices that are not named take all.

    Raises:
        UsageError: there is no such choice or candidate, or none may be taken.

    >>> space = Space({"depth": [1, 2, 3], "kernel": [3, 5]})
    >>> Subspace(space, {"depth": [2, 3]}).smallest()
    Architecture({'depth': 2, 'kernel': 3})
    """

    def __init__(self, space: Space, candidates: Mapping[str, Sequence[Any]]) -> None:
        for name in candidates:
            if name not in space.choices:
                raise UsageError(
                    f"a subspace names '{name}', which is no choice of this space; {did_you_mean(name, space.choices)}"
                )
        self.space = space
        self._positions = {name: _positions(space, name, candidates.get(name)) for name in space.choices}

    def sample(self, seed: SeedLike) -> Architecture:
        """A random architecture, each choice drawn uniformly from what it may take."""
        draws = generator(seed)
        return self._architecture({name: each[draws.integers(len(each))] for name, each in self._positions.items()})

    def smallest(self) -> Architecture:
        """Every active choice at the smallest candidate that it may take."""
        return self._architecture({name: each[0] for name, each in self._positions.items()})

    def largest(self) -> Architecture:
        """Every active choice at the largest candidate that it may take."""
        return self._architecture({name: each[-1] for name, each in self._positions.items()})

    def _architecture(self, positions: Mapping[str, int]) -> Architecture:
        return self.space.from_indices([list(positions.values())])[0]


def _positions(space: Space, name: str, candidates: Sequence[Any] | None) -> list[int]:
    """Of the candidates that may be taken, None for all, from the smallest to the largest."""
    if candidates is None:
        return list(space.order[name])
    keys = [candidate_key(each) for each in space.choices[name]]
    unknown = [each for each in candidates if candidate_key(each) not in keys]
    if unknown or not candidates:
        raise UsageError(
            f"a subspace lets choice '{name}' take {list(candidates)}, but its candidates are "
            f"{list(space.choices[name])}; give some of them."
        )
    taken = {keys.index(candidate_key(each)) for each in candidates}
    return [position for position in space.order[name] if position in taken]
