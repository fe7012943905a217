"""The set of architectures that a model with choices describes."""

import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.errors import UsageError, did_you_mean
from nas.space.architecture import Architecture
from nas.space.choice import Choice, candidate_key
from nas.space.condition import Condition, Use, assignments, holds, settled
from nas.space.counting import count
from nas.space.order import complete_order, order_by_value
from nas.wording import counted

__all__ = ["SeedLike", "Space", "generator"]

SeedLike = int | Sequence[int] | np.random.Generator


def generator(seed: SeedLike) -> np.random.Generator:
    """A random generator: the one given, or a fresh one from an integer or a sequence such as (run seed, step)."""
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)


class Space:
    """Named choices and the conditions under which each is there. Plain data: no modules, no torch.

    Args:
        choices: name → candidates, as a list or a :class:`~nas.space.Choice`.
        uses: name → the places where the choice is used; a choice without an entry is always active. A choice is
            active if any use is reached, and a use is reached if all of its conditions hold.
        order: name → the positions of its candidates from the smallest to the largest. A supernet orders candidates
            that are modules by their cost; by default numbers are ordered by value and others as they are listed.

    >>> space = Space({"depth": [1, 2], "kernel": [3, 5]})
    >>> space.size, space.largest()
    (4, Architecture({'depth': 2, 'kernel': 5}))
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Any] | Choice],
        uses: Mapping[str, Sequence[Use]] | None = None,
        order: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.choices: dict[str, tuple[Any, ...]] = {
            name: (choice if isinstance(choice, Choice) else Choice(choice)).candidates
            for name, choice in choices.items()
        }
        self.uses: dict[str, tuple[Use, ...]] = {name: _needed((uses or {}).get(name, ((),))) for name in self.choices}
        self.order = complete_order(self.choices, order or {})
        self._index = {
            name: {candidate_key(candidate): index for index, candidate in enumerate(candidates)}
            for name, candidates in self.choices.items()
        }

    @cached_property
    def size(self) -> int:
        """The exact number of distinct architectures."""
        return count({name: len(candidates) for name, candidates in self.choices.items()}, self.uses)

    def architecture(self, values: Mapping[str, Any]) -> Architecture:
        """Checks ``values`` and gives their canonical form, in which inactive choices have no value.

        Raises:
            UsageError: an unknown choice, a value that is not a candidate, or an active choice without a value.
        """
        indices = {name: self._index_of(name, value) for name, value in values.items()}

        def pick(name: str) -> int:
            if name not in indices:
                raise UsageError(
                    f"architecture gives no value to the active choice '{name}'; add one of {list(self.choices[name])}."
                )
            return indices[name]

        return self._architecture(settled(self.uses, pick))

    canonical = architecture

    def complete(self, values: Mapping[str, Any], share: float = 0.0) -> Architecture:
        """Like :meth:`architecture`, but active choices without a value take the candidate at this share of the order.

        Args:
            share: from 0, the smallest, to 1, the largest.
        """

        def pick(name: str) -> int:
            if name in values:
                return self._index_of(name, values[name])
            return self.order[name][round(share * (len(self.order[name]) - 1))]

        return self._architecture(settled(self.uses, pick))

    def sample(self, seed: SeedLike) -> Architecture:
        """A random architecture, each active choice drawn uniformly (uniform over choices, not architectures)."""
        rng = generator(seed)
        return self._architecture(settled(self.uses, lambda name: int(rng.integers(len(self.choices[name])))))

    def mutate(self, parent: Architecture, seed: SeedLike, rate: float = 0.1) -> Architecture:
        """A copy in which each active choice takes another candidate with probability ``rate``, at least one does.

        Choices that become active are drawn uniformly.

        Raises:
            UsageError: no active choice has a second candidate.
        """
        rng = generator(seed)
        movable = [name for name in parent if len(self.choices[name]) > 1]
        if not movable:
            raise UsageError(f"{parent} cannot be mutated: none of its active choices has a second candidate.")
        moved = {name for name in movable if rng.random() < rate}
        moved.add(movable[int(rng.integers(len(movable)))])

        def pick(name: str) -> int:
            size = len(self.choices[name])
            if name not in parent:
                return int(rng.integers(size))
            index = self._index_of(name, parent[name])
            return (index + 1 + int(rng.integers(size - 1))) % size if name in moved else index

        return self._architecture(settled(self.uses, pick))

    def cross(self, mother: Architecture, father: Architecture, seed: SeedLike) -> Architecture:
        """Uniform crossover: each active choice from either parent that has it, else drawn uniformly."""
        rng = generator(seed)

        def pick(name: str) -> int:
            known = [parent[name] for parent in (mother, father) if name in parent]
            if not known:
                return int(rng.integers(len(self.choices[name])))
            return self._index_of(name, known[int(rng.integers(len(known)))])

        return self._architecture(settled(self.uses, pick))

    def neighbours(self, centre: Architecture) -> Iterator[Architecture]:
        """Every architecture that differs in one active choice, each once.

        Choices that become active grow together: all take their smallest candidates, then the next larger ones, up to
        their largest, so that each of their candidates is met. There are at most as many neighbours as candidates of
        active choices times the most candidates of a choice that was not active.
        """
        steps = max((len(candidates) for name, candidates in self.choices.items() if name not in centre), default=1)
        found = {centre}
        for changed, step in itertools.product(centre, range(steps)):
            for candidate in self.choices[changed]:
                neighbour = self.complete({**centre, changed: candidate}, step / max(1, steps - 1))
                if neighbour not in found:
                    found.add(neighbour)
                    yield neighbour

    def smallest(self) -> Architecture:
        """Every active choice at the first candidate of its :attr:`order`."""
        return self.complete({}, 0.0)

    def largest(self) -> Architecture:
        """Every active choice at the last candidate of its :attr:`order`."""
        return self.complete({}, 1.0)

    def largest_with(self, name: str) -> Architecture | None:
        """The choice is active and all that need not be otherwise at its largest; None if it never is active."""
        for use in self.uses[name]:
            needed = self.deciders(name for condition in use for name in condition.names)
            for positions in itertools.product(*(reversed(self.order[other]) for other in needed)):
                if all(holds(condition, dict(zip(needed, positions, strict=True))) for condition in use):
                    values = zip(needed, positions, strict=True)
                    found = self.complete({other: self.choices[other][position] for other, position in values}, 1.0)
                    if name in found:
                        return found
        return None

    def deciders(self, names: Iterable[str], known: Collection[str] = ()) -> list[str]:
        """Choices, and in turn those that decide whether they are active, but for what is known already."""
        found: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name not in found and name not in known:
                found[name] = None
                waiting += [other for use in self.uses[name] for condition in use for other in condition.names]
        return list(found)

    @cached_property
    def decision_order(self) -> tuple[str, ...]:
        """The choices in their order, but for those that others decide about, which come after these.

        >>> shallow = Condition(("depth",), frozenset({(0,)}))
        >>> Space({"kernel": [3, 5], "depth": [1, 2]}, {"kernel": [(shallow,)]}).decision_order
        ('depth', 'kernel')
        """
        found: dict[str, None] = {}
        while left := [name for name in self.choices if name not in found]:
            found[next((name for name in left if self.deciders([name], found) == [name]), left[0])] = None
        return tuple(found)

    def __iter__(self) -> Iterator[Architecture]:
        """Every architecture once, lazily, in lexicographic order of the candidates."""
        sizes = {name: len(candidates) for name, candidates in self.choices.items()}
        return map(self._architecture, assignments(sizes, self.uses))

    def __contains__(self, values: object) -> bool:
        if not isinstance(values, Mapping):
            return False
        try:
            return self.architecture(values) == Architecture(values)
        except UsageError:
            return False

    def product(self, *others: "Space") -> "Space":
        """Every architecture of this space with every one of the others, whose choices come after those of this one.

        Raises:
            UsageError: two of the spaces have a choice of the same name.

        >>> Space({"kernel": [3, 5]}).product(Space({"image_size": [24, 28]})).size
        4
        """
        choices, uses, order = dict(self.choices), dict(self.uses), dict(self.order)
        for other in others:
            twice = next((name for name in other.choices if name in choices), None)
            if twice is not None:
                raise UsageError(f"two spaces of a product have a choice '{twice}'; give one of them another name.")
            choices, uses, order = choices | other.choices, uses | other.uses, order | other.order
        return Space(choices, uses, order)

    def without(self, names: Collection[str]) -> "Space":
        """What is left of the choices; none of these may decide whether one of the others is active.

        >>> Space({"kernel": [3, 5], "image_size": [24, 28]}).without(["image_size"]).size
        2
        """
        left = [name for name in self.choices if name not in names]
        return Space(
            {name: self.choices[name] for name in left},
            {name: self.uses[name] for name in left},
            {name: self.order[name] for name in left},
        )

    def indices(self, architectures: Iterable[Mapping[str, Any]]) -> npt.NDArray[np.int32]:
        """Candidate indices ``[n, choices]``, -1 where a choice is inactive."""
        rows = [
            [self._index_of(name, architecture[name]) if name in architecture else -1 for name in self.choices]
            for architecture in architectures
        ]
        return np.array(rows, dtype=np.int32).reshape(len(rows), len(self.choices))

    def from_indices(self, matrix: npt.ArrayLike) -> list[Architecture]:
        """The architectures of an index matrix ``[n, choices]``; entries of inactive choices are ignored.

        Raises:
            UsageError: the matrix has another number of columns, or an active choice has no such candidate.
        """
        array = np.asarray(matrix)
        if array.ndim != 2 or array.shape[1] != len(self.choices):
            raise UsageError(
                f"index matrix has shape {array.shape}, expected [n, {len(self.choices)}], a column a choice."
            )
        return [self._from_row(dict(zip(self.choices, map(int, row), strict=True))) for row in array]

    def one_hot(self, architectures: Iterable[Mapping[str, Any]] | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """One-hot encoding ``[n, columns]`` of architectures or an index matrix; zeros for an inactive choice."""
        matrix = architectures if isinstance(architectures, np.ndarray) else self.indices(architectures)
        blocks = [
            (matrix[:, [column]] == np.arange(len(candidates))).astype(np.float32)
            for column, candidates in enumerate(self.choices.values())
        ]
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(matrix), 0), dtype=np.float32)

    @property
    def columns(self) -> list[str]:
        """A name for each column of :meth:`one_hot`: ``choice=candidate``."""
        return [f"{name}={candidate}" for name, candidates in self.choices.items() for candidate in candidates]

    def to_json(self) -> str:
        """The whole space as JSON, conditions included, and orders that values do not tell; stable for equal spaces."""
        values = {name: order_by_value(candidates) for name, candidates in self.choices.items()}
        order = {name: order for name, order in self.order.items() if order != values[name]}
        return json.dumps({**self._members(), **({"order": order} if order else {})}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Space":
        """The space that :meth:`to_json` wrote; UsageError if the text is not the JSON of a space."""
        try:
            data = json.loads(text)
            uses = {name: [tuple(map(Condition.from_json, use)) for use in uses] for name, uses in data["uses"].items()}
            return cls(data["choices"], uses, data.get("order"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"text {text[:80]!r} is not the JSON of a space ({error!r}); write it with Space.to_json()."
            ) from None

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that guard artefacts against a space of other architectures.

        The order of candidates is no part of it: which architectures there are and how they are encoded is the same.
        """
        return hashlib.sha256(json.dumps(self._members(), separators=(",", ":")).encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Space({counted(len(self.choices), 'choice')}, {counted(self.size, 'architecture')})"

    def _index_of(self, name: str, value: Any) -> int:
        if name not in self._index:
            raise UsageError(
                f"architecture names '{name}', which is no choice of this space; {did_you_mean(name, self._index)}"
            )
        index = self._index[name].get(candidate_key(value))
        if index is None:
            raise UsageError(f"choice '{name}' is {value!r}, but its candidates are {list(self.choices[name])}.")
        return index

    def _members(self) -> dict[str, Any]:
        """The choices and their uses in JSON values."""
        uses = {name: [[condition.to_json() for condition in use] for use in uses] for name, uses in self.uses.items()}
        return {"choices": self.choices, "uses": uses}

    def _from_row(self, row: Mapping[str, int]) -> Architecture:
        def pick(name: str) -> int:
            if not 0 <= row[name] < len(self.choices[name]):
                raise UsageError(
                    f"choice '{name}' has index {row[name]}, but {counted(len(self.choices[name]), 'candidate')}."
                )
            return row[name]

        return self._architecture(settled(self.uses, pick))

    def _architecture(self, chosen: Mapping[str, int]) -> Architecture:
        return Architecture({name: self.choices[name][chosen[name]] for name in self.choices if name in chosen})


def _needed(uses: Sequence[Use]) -> tuple[Use, ...]:
    """The uses without those that say nothing new: where one is always reached, it alone."""
    return ((),) if () in uses else tuple(uses)
