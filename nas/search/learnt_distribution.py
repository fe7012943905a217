"""Architectures that a differentiable method has learnt: derived ones, then samples of the distribution."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nas.search.derivation import Flags, Floats, Options, Probabilities, option_weights, subset_elements
from nas.search.strategy import Result
from nas.search.unique_sampler import UniqueSampler
from nas.space import Architecture, Space

__all__ = ["LearntDistribution"]

_UNIFORM_SHARE = 0.1


class LearntDistribution:
    """Proposes derived architectures, then samples of the learnt probabilities, without repetition.

    Each choice is sampled independently, by its probabilities. Each candidate of a subset has a probability in
    proportion to the product of the weights of its elements. If all allowed candidates have weight zero, they are
    sampled uniformly. Once ``patience`` samples in a row are duplicates, as with probabilities of zero and one, a tenth
    of each distribution becomes uniform over the allowed candidates. Results have no effect.

    Args:
        proposals: in order, such as the architecture derived after the last epoch, then those of earlier epochs.
        probabilities: see :func:`~nas.search.derivation.derive`, also for ``options`` and ``banned``.
        patience: duplicates in a row after which a distribution counts as exhausted.

    Raises:
        UsageError: a proposal is not in the space, or ``derive`` refuses the probabilities.
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
        self._sampler = UniqueSampler(space, seed)
        self._proposals = iter([space.architecture(proposal) for proposal in proposals])
        weights = option_weights(space, probabilities, options=options, banned=banned)
        elements = subset_elements(space, options)
        choices = [(candidates, weights[name], elements.get(name)) for name, candidates in space.choices.items()]
        learnt = [_probabilities(*choice) for choice in choices]
        uniform = [_probabilities(candidates, np.minimum(each, 0.0), within) for candidates, each, within in choices]
        mixed = [(1 - _UNIFORM_SHARE) * p + _UNIFORM_SHARE * q for p, q in zip(learnt, uniform, strict=True)]
        self._distributions = [learnt, mixed]

    def ask(self, n: int) -> list[Architecture]:
        proposals = list(itertools.islice(filter(self._sampler.visit, self._proposals), n))
        while len(proposals) < n and self._distributions:
            sample = self._sample(self._distributions[0])
            if sample is None:
                self._distributions.pop(0)
            else:
                proposals.append(sample)
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        self._sampler.record(results)

    def _sample(self, distribution: Sequence[Floats]) -> Architecture | None:
        """A new architecture; None after ``patience`` duplicates."""
        rng = self._sampler.rng
        for _ in range(self.patience):
            indices = [rng.choice(len(probabilities), p=probabilities) for probabilities in distribution]
            (architecture,) = self._space.from_indices([indices])
            if self._sampler.visit(architecture):
                return architecture
        return None


def _probabilities(candidates: Sequence[Any], weights: Floats, elements: Sequence[Any] | None) -> Floats:
    """Of the candidates of a choice, or of a subset of elements; uniform if all allowed ones have weight zero."""
    if elements is not None:
        weights = np.array([_product(candidate, weights, elements) for candidate in candidates])
    positive: Floats = np.maximum(weights, 0.0)
    if not positive.any():
        positive = (weights >= 0).astype(np.float64)
    total: Floats = positive.sum()
    return positive / total


def _product(candidate: Sequence[Any], weights: Floats, elements: Sequence[Any]) -> float:
    """Of the weights of the elements in a candidate."""
    factors = [weight for element, weight in zip(elements, weights, strict=True) if element in candidate]
    return float(np.prod(np.maximum(factors, 0.0)))
