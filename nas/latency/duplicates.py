"""Which architectures are one network written twice, and so no test of what was learnt from the other."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from nas.predictors import Encoding
from nas.setup.run_setup import Setup
from nas.space import Architecture, candidate_key

__all__ = ["other_networks"]

_CONTEXTS = 6


def other_networks(
    setup: Setup, encoding: Encoding, trained: Sequence[Architecture], held_out: Sequence[Architecture]
) -> list[int]:
    """The indices of those held out that are another network than each of ``trained``.

    Only where all features of two architectures are equal their networks are compared; see :class:`_Networks`.
    """
    if not encoding.features.columns:
        return list(range(len(held_out)))
    networks = _Networks(setup, trained)
    alike: dict[tuple[float, ...], list[Architecture]] = {}
    for architecture, row in zip(trained, encoding(trained)[:, encoding.one_hot :].tolist(), strict=True):
        alike.setdefault(tuple(row), []).append(architecture)
    rows = encoding(held_out)[:, encoding.one_hot :].tolist()
    return [
        index
        for index, (architecture, row) in enumerate(zip(held_out, rows, strict=True))
        if not any(networks.same(architecture, known) for known in alike.get(tuple(row), ()))
    ]


class _Networks:
    """Tells whether two architectures are one network.

    They are if their stand-alone networks are the same graph, unless they differ in candidates that never make
    another network: these stand in for something that the model does not show, such as the operations of a table
    whose model nobody has.

    Args:
        setup: of the space.
        examples: architectures in which candidates are tried.
    """

    def __init__(self, setup: Setup, examples: Sequence[Architecture]) -> None:
        self.space, self._examples = setup.space, examples
        self._key = lru_cache(None)(setup.network_key)
        self._stand_ins = lru_cache(None)(self._stand_ins_of)

    def same(self, first: Architecture, second: Architecture) -> bool:
        """Whether the two are one network."""
        if self._key(first) != self._key(second):
            return False
        differing = [name for name in {**first, **second} if first.get(name) != second.get(name)]
        return not any(
            name in each and candidate_key(each[name]) in self._stand_ins(name)
            for name in differing
            for each in (first, second)
        )

    def _stand_ins_of(self, name: str) -> set[Any]:
        """The candidates of a choice of which another never made a difference."""
        candidates = self.space.choices[name]
        examples = [each for each in self._examples if name in each][:_CONTEXTS]
        keys: list[tuple[str, ...]] = [() for _ in candidates]
        for example in examples:
            changed = [self.space.complete({**example, name: candidate}) for candidate in candidates]
            keys = [(*known, self._key(each)) for known, each in zip(keys, changed, strict=True)]
            if len(set(keys)) == len(candidates):
                break
        return {candidate_key(each) for each, key in zip(candidates, keys, strict=True) if keys.count(key) > 1}
