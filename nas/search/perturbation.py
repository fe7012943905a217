"""Perturbation-based selection: options whose removal hurts the supernet most are kept (DARTS-PT, Wang et al., 2021).

It calls functions that evaluate the supernet and that freeze a decided choice, and never sees modules.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.errors import UsageError
from nas.search.derivation import Flags, Floats, Options, Probabilities, group_of, option_weights, subset_elements
from nas.space import Space
from nas.streams import Stream, rng

__all__ = ["EvaluateWithout", "Projection", "select_by_perturbation", "selection_rounds"]

EvaluateWithout = Callable[[Mapping[str, frozenset[int]]], float]
"""Choice → positions of removed options, whose weights become zero without renormalising the others → score of the
supernet, such as its accuracy."""


@dataclass(frozen=True)
class Projection:
    """The decision of one choice.

    Attributes:
        name: of the choice.
        kept: positions of the kept options, in order: one, or as many as a subset keeps.
    """

    name: str
    kept: tuple[int, ...]


def select_by_perturbation(
    space: Space,
    names: Sequence[str],
    probabilities: Probabilities,
    *,
    evaluate: EvaluateWithout,
    decide: Callable[[str, tuple[int, ...]], None],
    options: Options | None = None,
    banned: Flags | None = None,
) -> list[Projection]:
    """Decides some choices, one after another, by the score of the supernet without each of their options.

    A choice keeps the option whose removal leaves the lowest score. A subset drops one element after another, each time
    the one whose removal leaves the highest score; dropped elements stay removed meanwhile, which the authors' released
    loop omits. Of equal scores the option with the higher probability is kept, of equal probabilities the first.
    :func:`selection_rounds` tells which choices to decide before the supernet is tuned again.

    Args:
        names: of the choices.
        probabilities: for ties; see :func:`~nas.search.derivation.derive`, also for ``options`` and ``banned``.
        evaluate: the score of the supernet, such as its accuracy, without some options.
        decide: called with the name and the kept positions of each decided choice, before the next one.

    Raises:
        UsageError: bad arguments, or a score that is not a number.
    """
    weights = option_weights(space, probabilities, options=options, banned=banned)
    subsets, decided = subset_elements(space, options), []
    for name in names:
        if name in subsets:
            kept = _kept_elements(name, weights[name], evaluate, len(space.choices[name][0]))
        else:
            kept = _kept_option(name, weights[name], evaluate)
        decided.append(Projection(name, kept))
        decide(name, kept)
    return decided


def selection_rounds(space: Space, seed: int, *, options: Options | None = None) -> list[tuple[str, ...]]:
    """The choices to decide in each round: one of each kind of cell, see :func:`~nas.search.derivation.group_of`.

    The choices of each kind come in random order, then its subsets in random order; choices with one candidate need no
    decision. A kind with fewer choices than another takes part in fewer rounds.
    """
    generator = rng(seed, Stream.PERTURBATION)
    subsets = subset_elements(space, options)
    undecided = [name for name, candidates in space.choices.items() if len(candidates) > 1]
    orders = []
    for group in dict.fromkeys(map(group_of, undecided)):
        members = [name for name in undecided if group_of(name) == group]
        choices = [name for name in members if name not in subsets]
        own_subsets = [name for name in members if name in subsets]
        orders.append([part[index] for part in (choices, own_subsets) for index in generator.permutation(len(part))])
    return [tuple(name for name in names if name is not None) for names in itertools.zip_longest(*orders)]


def _kept_option(name: str, weights: Floats, evaluate: EvaluateWithout) -> tuple[int, ...]:
    allowed = [int(position) for position in np.flatnonzero(weights >= 0)]
    scores = {position: _score(name, frozenset({position}), evaluate) for position in allowed}
    return (min(scores, key=lambda position: (scores[position], -weights[position])),)


def _kept_elements(name: str, weights: Floats, evaluate: EvaluateWithout, count: int) -> tuple[int, ...]:
    kept = list(range(len(weights)))
    while len(kept) > count:
        dropped = frozenset(range(len(weights))) - frozenset(kept)
        scores = {position: _score(name, dropped | {position}, evaluate) for position in kept}
        kept.remove(max(reversed(kept), key=lambda position: (scores[position], -weights[position])))
    return tuple(kept)


def _score(name: str, removed: frozenset[int], evaluate: EvaluateWithout) -> float:
    score = evaluate({name: removed})
    if not math.isfinite(score):
        raise UsageError(
            f"the supernet without options {sorted(removed)} of '{name}' has score {score}; "
            "its training has diverged, lower the learning rate."
        )
    return score
