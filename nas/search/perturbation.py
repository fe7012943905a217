"""Selection by perturbation: what hurts the supernet most when it is taken away, stays (DARTS-PT, Wang et al., 2021).

The rule sees callbacks, never modules: one measures the supernet, one freezes what is decided.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.errors import UsageError
from nas.search.derivation import (
    Flags,
    Floats,
    Options,
    Probabilities,
    group_of,
    option_weights,
    subset_elements,
)
from nas.space import Space
from nas.streams import Stream, rng

__all__ = ["Evaluate", "Projection", "perturb", "rounds"]

Evaluate = Callable[[Mapping[str, frozenset[int]]], float]
"""Choice → positions of options whose weights are zero, the others not renormalised → score of the supernet, such as
its accuracy."""


@dataclass(frozen=True)
class Projection:
    """One choice that is decided.

    Attributes:
        name: of the choice.
        kept: positions of the options that stay, in order: one, or as many as a subset keeps.
    """

    name: str
    kept: tuple[int, ...]


def perturb(
    space: Space,
    names: Sequence[str],
    probabilities: Probabilities,
    *,
    evaluate: Evaluate,
    decide: Callable[[str, tuple[int, ...]], None],
    options: Options | None = None,
    banned: Flags | None = None,
) -> list[Projection]:
    """Decides some choices, one after another, by what the supernet loses without each of their options.

    Of a choice the option stays whose removal leaves the lowest score. A subset loses one element after another,
    each time the one whose removal leaves the highest score; the elements it has lost stay away meanwhile, which
    the authors' released loop forgets. Of equal scores the higher probability stays, of equal probabilities the
    option that is listed first. Which choices are decided together, and tuned afterwards, :func:`rounds` says.

    Args:
        names: of the choices.
        probabilities: break ties; as of :func:`~nas.search.derivation.derive`, as are ``options`` and ``banned``.
        evaluate: the score of the supernet, such as its accuracy, with some options away.
        decide: called with the name and the kept positions of each decided choice, before the next is looked at.

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


def rounds(space: Space, seed: int, *, options: Options | None = None) -> list[tuple[str, ...]]:
    """Which choices are decided together, round after round: one of each kind of cell, see
    :func:`~nas.search.derivation.group_of`.

    Each kind takes its choices in a random order, then its subsets in a random order; a choice with one candidate
    needs no decision. A kind that has fewer choices than another is ready earlier.
    """
    draws = rng(seed, Stream.PERTURBATION)
    subsets = subset_elements(space, options)
    open_choices = [name for name, candidates in space.choices.items() if len(candidates) > 1]
    orders = []
    for group in dict.fromkeys(map(group_of, open_choices)):
        members = [name for name in open_choices if group_of(name) == group]
        choices = [name for name in members if name not in subsets]
        topology = [name for name in members if name in subsets]
        orders.append([part[index] for part in (choices, topology) for index in draws.permutation(len(part))])
    return [tuple(name for name in names if name is not None) for names in itertools.zip_longest(*orders)]


def _kept_option(name: str, weights: Floats, evaluate: Evaluate) -> tuple[int, ...]:
    allowed = [int(position) for position in np.flatnonzero(weights >= 0)]
    scores = {position: _score(name, frozenset({position}), evaluate) for position in allowed}
    return (min(scores, key=lambda position: (scores[position], -weights[position])),)


def _kept_elements(name: str, weights: Floats, evaluate: Evaluate, remain: int) -> tuple[int, ...]:
    kept = list(range(len(weights)))
    while len(kept) > remain:
        gone = frozenset(range(len(weights))) - frozenset(kept)
        scores = {position: _score(name, gone | {position}, evaluate) for position in kept}
        kept.remove(max(reversed(kept), key=lambda position: (scores[position], -weights[position])))
    return tuple(kept)


def _score(name: str, without: frozenset[int], evaluate: Evaluate) -> float:
    score = evaluate({name: without})
    if not math.isfinite(score):
        raise UsageError(
            f"the supernet without options {sorted(without)} of '{name}' has score {score}; "
            "its training has diverged, lower the learning rate."
        )
    return score
