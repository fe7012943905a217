"""Selection by perturbation: what hurts the supernet most when it is taken away, stays (DARTS-PT, Wang et al., 2021).

The rule sees callbacks, never modules: one measures the supernet, one freezes what is decided, one trains it further.
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
    derive,
    group_of,
    option_weights,
    subset_elements,
)
from nas.space import Architecture, Space
from nas.streams import Stream, rng

__all__ = ["Evaluate", "Projection", "perturb", "projected", "schedule"]

Evaluate = Callable[[Mapping[str, frozenset[int]]], float]
"""Choice → positions of options whose weights are zero, the others not renormalised → accuracy of the supernet."""


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
    probabilities: Probabilities,
    *,
    evaluate: Evaluate,
    decide: Callable[[str, tuple[int, ...]], None],
    tune: Callable[[int], None],
    seed: int,
    options: Options | None = None,
    banned: Flags | None = None,
    done: Sequence[Projection] = (),
    tuned: int = 0,
) -> list[Projection]:
    """Decides one choice after another by what the supernet loses without each of its options.

    Of a choice the option stays whose removal leaves the lowest accuracy. A subset loses one element after another,
    each time the one whose removal leaves the highest accuracy; the elements it has lost stay away meanwhile, which
    the authors' released loop forgets. Of equal accuracies the higher probability stays, of equal probabilities the
    option that is listed first. What is decided is never looked at again. The order is that of :func:`schedule`.

    To go on after an interruption, pass what was decided and how many rounds were tuned, over a supernet as it was
    then: the rest is decided as if there had been no interruption.

    Args:
        probabilities: break ties; as of :func:`~nas.search.derivation.derive`, as are ``options`` and ``banned``.
        evaluate: the accuracy of the supernet with some options away.
        decide: called with the name and the kept positions of each decided choice, those in ``done`` first.
        tune: called with the number of each round after its decisions, from ``tuned`` on.
        done: decisions made before, in order.
        tuned: rounds that were tuned before.

    Returns:
        All decisions in order, ``done`` included.

    Raises:
        UsageError: bad arguments, decisions made before in another order, or an accuracy that is not a number.
    """
    weights = option_weights(space, probabilities, options=options, banned=banned)
    subsets = subset_elements(space, options)
    rounds = schedule(space, seed, options=options)
    order = [name for names in rounds for name in names]
    if [each.name for each in done] != order[: len(done)]:
        raise UsageError(
            f"decisions made before name {[each.name for each in done]}, but seed {seed} decides "
            f"{order[: len(done)]} in this order; go on with the seed and the space they were made with."
        )
    for each in done:
        decide(each.name, each.kept)
    decided = {each.name: each for each in done}
    for number, names in enumerate(rounds):
        for name in names:
            if name not in decided:
                if name in subsets:
                    kept = _kept_elements(name, weights[name], evaluate, len(space.choices[name][0]))
                else:
                    kept = _kept_option(name, weights[name], evaluate)
                decided[name] = Projection(name, kept)
                decide(name, kept)
        if number >= tuned:
            tune(number)
    return list(decided.values())


def schedule(space: Space, seed: int, *, options: Options | None = None) -> list[tuple[str, ...]]:
    """The rounds of :func:`perturb`: one choice of each kind of cell (see :func:`~nas.search.derivation.group_of`).

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


def projected(space: Space, decisions: Sequence[Projection], *, options: Options | None = None) -> Architecture:
    """The architecture that all decisions together describe.

    Raises:
        UsageError: a choice between several candidates is not decided.
    """
    subsets = subset_elements(space, options)
    one_hot = {}
    for each in decisions:
        one_hot[each.name] = np.zeros(len(subsets.get(each.name, space.choices[each.name])))
        one_hot[each.name][list(each.kept)] = 1.0
    missing = [name for name, candidates in space.choices.items() if len(candidates) > 1 and name not in one_hot]
    if missing:
        raise UsageError(f"choice '{missing[0]}' is not decided; let perturb() end before asking for its result.")
    return derive(space, one_hot, options=options)


def _kept_option(name: str, weights: Floats, evaluate: Evaluate) -> tuple[int, ...]:
    allowed = [int(position) for position in np.flatnonzero(weights >= 0)]
    accuracies = {position: _accuracy(name, frozenset({position}), evaluate) for position in allowed}
    return (min(accuracies, key=lambda position: (accuracies[position], -weights[position])),)


def _kept_elements(name: str, weights: Floats, evaluate: Evaluate, remain: int) -> tuple[int, ...]:
    kept = list(range(len(weights)))
    while len(kept) > remain:
        gone = frozenset(range(len(weights))) - frozenset(kept)
        accuracies = {position: _accuracy(name, gone | {position}, evaluate) for position in kept}
        kept.remove(max(reversed(kept), key=lambda position: (accuracies[position], -weights[position])))
    return tuple(kept)


def _accuracy(name: str, without: frozenset[int], evaluate: Evaluate) -> float:
    accuracy = evaluate({name: without})
    if not math.isfinite(accuracy):
        raise UsageError(
            f"the supernet without options {sorted(without)} of '{name}' has accuracy {accuracy}; "
            "its training has diverged, lower the learning rate."
        )
    return accuracy
