"""The symbol that makes a model a search space."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from nas.errors import UsageError
from nas.space.expression import Expression
from nas.wording import counted

__all__ = ["Choice", "Subset", "candidate_key"]


class Choice(Expression):
    """One decision of the architecture: takes exactly one of its candidates.

    A choice is an immutable symbol that is given where a layer of :mod:`nas.nn` expects a number, an operation or
    a depth. The same object used in two places ties them: both always take the same candidate. Equality is
    identity.

    Args:
        candidates: distinct JSON values, listed in any order: which is the larger network is told by their values if
            they are numbers, and by what they cost if not.
        name: its name in architectures; by default the module path of its first use.

    Raises:
        UsageError: no candidates, a candidate that is not JSON, or the same candidate twice.

    >>> kernel = Choice([3, 5, 7])
    >>> (kernel // 2).value({kernel: 5})
    2
    """

    def __init__(self, candidates: Sequence[Any], name: str | None = None) -> None:
        self.candidates = tuple(candidates)
        self.name = name
        self.choices = (self,)
        if not self.candidates:
            raise UsageError("a Choice has no candidates; give at least one, as in Choice([3, 5, 7]).")
        keys = [candidate_key(candidate) for candidate in self.candidates]
        for key in keys:
            if keys.count(key) > 1:
                raise UsageError(f"Choice({list(self.candidates)}) lists {key} twice; candidates must be distinct.")

    @property
    def options(self) -> tuple[Any, ...]:
        """What a soft gate gives a weight to."""
        return self.candidates

    def value(self, values: Mapping[Any, Any]) -> Any:
        return values[self]

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"Choice({list(self.candidates)}{name})"


class Subset(Choice):
    """A decision that takes some of its elements, such as the edges that a node of a cell keeps.

    Its candidates are all tuples of ``size`` elements in order. A soft gate weighs each element by itself.

    Raises:
        UsageError: a size that is not between one and the number of elements.

    >>> Subset(["a", "b", "c"], size=2).candidates
    (('a', 'b'), ('a', 'c'), ('b', 'c'))
    """

    def __init__(self, elements: Sequence[Any], size: int, name: str | None = None) -> None:
        self.elements = tuple(elements)
        if not 1 <= size <= len(self.elements):
            raise UsageError(
                f"a Subset of {size} of {counted(len(self.elements), 'element')}; take at least one and at most all."
            )
        super().__init__(list(itertools.combinations(self.elements, size)), name)

    @property
    def options(self) -> tuple[Any, ...]:
        return self.elements


def candidate_key(candidate: Any) -> str:
    """Canonical JSON of a candidate: what makes two candidates the same.

    Raises:
        UsageError: the candidate is not a JSON value.
    """
    try:
        return json.dumps(candidate, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"candidate {candidate!r} is not a JSON value ({error}); use numbers, strings or lists."
        ) from None
