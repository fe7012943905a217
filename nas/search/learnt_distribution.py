"""The strategy of a supernet that has learnt which architecture it wants."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nas.search.derivation import Flags, Floats, Options, Probabilities, option_weights, subset_elements
from nas.search.strategy import Result
from nas.search.unique_sampler import Memory
from nas.space import Architecture, Space

__all__ = ["Derived"]

_LOOSE = 0.1


class Derived:
    """Proposes derived architectures, then what is likely under the learnt probabilities, nothing twice.

    After the proposals each choice is drawn by itself, by its probabilities; a subset takes each of its candidates
    with a probability in proportion to the product of the weights of its elements. Where all that is allowed weighs
    nothing, it is drawn uniformly. Where draws bring nothing new any more, as from probabilities of zero and one,
    each choice is drawn uniformly from what is allowed once in ten times. It learns nothing from results.

    Args:
        proposals: in order, such as the architecture derived after the last epoch, then those of earlier epochs.
        probabilities: as of :func:`~nas.search.derivation.derive`, as are ``options`` and ``banned``.
        patience: draws in a row of architectures known before, after which nothing is left to propose.

    Raises:
        UsageError: a proposal that is not in the space, or probabilities that ``derive`` refuses.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        *,
        proposals: Iterable[Mapping[str, Any]],
        probabilities: Probabilities,
        options: Options | None = None,
        banned: Flags | None = None,
        patience: int = 1000,
    ) -> None:
        self.patience = patience
        self._space = space
        self._memory = Memory(space, seed)
        self._proposals = iter([space.architecture(proposal) for proposal in proposals])
        weights = option_weights(space, probabilities, options=options, banned=banned)
        elements = subset_elements(space, options)
        named = [(candidates, weights[name], elements.get(name)) for name, candidates in space.choices.items()]
        learnt = [_shares(*each) for each in named]
        allowed = [_shares(candidates, np.minimum(each, 0.0), inside) for candidates, each, inside in named]
        loosened = [(1 - _LOOSE) * each + _LOOSE * uniform for each, uniform in zip(learnt, allowed, strict=True)]
        self._sources = [learnt, loosened]

    def ask(self, n: int) -> list[Architecture]:
        found = list(itertools.islice(filter(self._memory.claim, self._proposals), n))
        while len(found) < n and self._sources:
            drawn = self._draw(self._sources[0])
            if drawn is None:
                self._sources.pop(0)
            else:
                found.append(drawn)
        return found

    def tell(self, results: Sequence[Result]) -> None:
        self._memory.add(results)

    def _draw(self, shares: Sequence[Floats]) -> Architecture | None:
        """An architecture that is not known yet; None when patience is over."""
        rng = self._memory.rng
        for _ in range(self.patience):
            row = [rng.choice(len(each), p=each) for each in shares]
            (architecture,) = self._space.from_indices([row])
            if self._memory.claim(architecture):
                return architecture
        return None


def _shares(candidates: Sequence[Any], weights: Floats, elements: Sequence[Any] | None) -> Floats:
    """Probabilities ``[candidates]``; uniform among what is allowed where all of that weighs nothing."""
    if elements is not None:
        weights = np.array([_product(candidate, weights, elements) for candidate in candidates])
    shares: Floats = np.maximum(weights, 0.0)
    if not shares.any():
        shares = (weights >= 0).astype(np.float64)
    total: Floats = shares.sum()
    return shares / total


def _product(candidate: Sequence[Any], weights: Floats, elements: Sequence[Any]) -> float:
    inside = [weight for element, weight in zip(elements, weights, strict=True) if element in candidate]
    return float(np.prod(np.maximum(inside, 0.0)))
