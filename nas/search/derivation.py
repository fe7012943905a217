"""Derivation of a discrete architecture from learnt probabilities: pure functions of a space and arrays.

Ties are resolved in favour of the first, so a derived architecture is a function of its arguments alone.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.errors import UsageError, did_you_mean
from nas.space import Architecture, Condition, Space, candidate_key

__all__ = [
    "Flags",
    "Options",
    "Probabilities",
    "SelectionRule",
    "argmax",
    "collapse_warning",
    "derive",
    "entropy",
    "group_of",
    "longest_path",
    "option_weights",
    "subset_elements",
    "threshold",
]

Floats = npt.NDArray[np.float64]

Probabilities = Mapping[str, npt.ArrayLike]
"""Choice → non-negative weights ``[options]``."""

Options = Mapping[str, Sequence[Any]]
"""Choice → what its weights belong to: its candidates, or the elements of a :class:`~nas.space.Subset`."""

Flags = Mapping[str, Sequence[bool]]
"""Choice → a property of each of its options."""

SelectionRule = Callable[[Sequence[int], Floats], int]
"""The positions of the candidates from the smallest to the largest, and the weights of the candidates, minus infinity
if banned → the position of the selected candidate."""


def derive(
    space: Space,
    probabilities: Probabilities,
    *,
    options: Options | None = None,
    banned: Flags | None = None,
    rules: Mapping[str, SelectionRule] | None = None,
    within: Mapping[str, Sequence[int]] | None = None,
) -> Architecture:
    """The discrete architecture that probabilities stand for.

    First the rule of each choice selects a candidate. Then each subset keeps as many elements as it has to, those with
    the highest score: the weight of the element times the weights of what was selected in the choices on it. With
    operations on the edges of a cell and zero banned, this is the rule of DARTS (Liu et al., 2019) if no edge weights
    are learnt, and that of PC-DARTS (Xu et al., 2020) if they are. Banning an option does not renormalise the weights
    of the others. Choices that turn out inactive have no influence.

    Args:
        probabilities: of every choice with several candidates; the elements of a subset without any have weight one.
        options: what the weights belong to; the candidates by default, which is right without subsets.
        banned: options that are never selected, such as the zero operation.
        rules: of some choices, :func:`argmax` by default.
        within: of some choices the positions of the candidates that may be selected, all by default.

    Raises:
        UsageError: an unknown choice, a wrong number of weights, weights that are negative or not finite, or a choice
            whose options are all banned, or all that may be selected.

    >>> space = Space({"edge": ["none", "skip", "conv"]})
    >>> learnt = {"edge": [0.9, 0.04, 0.06]}
    >>> derive(space, learnt), derive(space, learnt, banned={"edge": [True, False, False]})
    (Architecture({'edge': 'none'}), Architecture({'edge': 'conv'}))
    """
    rules, within = rules or {}, within or {}
    _check_names(space, rules, "rules")
    _check_names(space, within, "candidates that may be selected")
    weights = option_weights(space, probabilities, options=options, banned=banned)
    subsets = subset_elements(space, options)
    weights |= {name: _only(name, weights[name], within[name]) for name in within if name not in subsets}
    selected = {
        name: rules.get(name, argmax)(order, weights[name])
        for name, order in space.order.items()
        if name not in subsets
    }
    values = {name: space.choices[name][index] for name, index in selected.items()}
    selected_weights = {name: float(weights[name][index]) for name, index in selected.items()}
    for name, elements in subsets.items():
        scores = [
            weight * math.prod(selected_weights.get(choice, 1.0) for choice in _choices_on(space, name, element))
            if weight >= 0
            else weight
            for element, weight in zip(elements, weights[name], strict=True)
        ]
        candidates = space.choices[name]
        allowed = [candidates[position] for position in within.get(name, range(len(candidates)))]
        values[name] = _best_candidate(allowed, elements, scores)
    return space.architecture(values)


def argmax(order: Sequence[int], weights: Floats) -> int:
    """Selects the candidate with the largest weight, the first of equal ones."""
    return int(np.argmax(weights))


def threshold(level: float) -> SelectionRule:
    """A rule that selects the largest candidate whose weight is at least ``level``, such as of depths and widths.

    If all weights are below the level, it selects the candidate with the largest weight.
    """

    def largest_kept(order: Sequence[int], weights: Floats) -> int:
        kept = [position for position in order if weights[position] >= level]
        return kept[-1] if kept else argmax(order, weights)

    return largest_kept


def longest_path(weights: Sequence[npt.ArrayLike]) -> list[int]:
    """The path through a layered graph with the largest sum of edge weights (sharpDARTS, Hundt et al., 2019).

    Args:
        weights: for each layer ``[nodes before, nodes after]``, the weight of the edge between them, such as that of
            the best operation from one width to another; minus infinity if there is no edge.

    Returns:
        The nodes of the path, one more than there are layers; of equally long paths the lexicographically first.

    Raises:
        UsageError: no layers, layers that do not fit together, a weight that is not a number, or no path at all.

    >>> longest_path([[[0.4, 0.6]], [[0.9, 0.1], [0.2, 0.5]]])
    [0, 0, 0]
    """
    layers = [np.asarray(layer, dtype=np.float64) for layer in weights]
    shapes = [layer.shape for layer in layers]
    fit = all(len(shape) == 2 and 0 not in shape for shape in shapes)
    if not layers or not fit or any(before[1] != after[0] for before, after in itertools.pairwise(shapes)):
        raise UsageError(f"layers of weights {shapes} are no grid; give [nodes before, nodes after] for each layer.")
    if any(np.isnan(layer).any() or np.isposinf(layer).any() for layer in layers):
        raise UsageError("a weight of the layers is not a number or infinite; use minus infinity for a missing edge.")
    ahead = [np.zeros(shapes[-1][1])]
    for layer in reversed(layers):
        ahead.insert(0, (layer + ahead[0]).max(axis=1))
    path = [int(np.argmax(ahead[0]))]
    if np.isneginf(ahead[0][path[0]]):
        raise UsageError("no path leads through the layers: every one has an edge of minus infinity.")
    for layer, rest in zip(layers, ahead[1:], strict=True):
        path.append(int(np.argmax(layer[path[-1]] + rest)))
    return path


def entropy(probabilities: Probabilities) -> dict[str, float]:
    """The entropy of each choice in nats: 0 if decided, ``log(options)`` if uniform; weights are normalised.

    Raises:
        UsageError: weights that are negative, not finite, or all zero.

    >>> entropy({"kernel": [0.5, 0.5], "depth": [1.0, 0.0]})
    {'kernel': 0.6931471805599453, 'depth': 0.0}
    """
    entropies = {}
    for name, values in probabilities.items():
        weights = _checked(name, values)
        if weights.sum() <= 0:
            raise UsageError(f"weights of choice '{name}' are all zero; entropy needs a positive one.")
        shares = weights[weights > 0] / weights.sum()
        entropies[name] = float(abs(shares @ np.log(shares)))
    return entropies


def collapse_warning(architecture: Mapping[str, Any], parameter_free: Flags, space: Space) -> str | None:
    """A warning if an architecture, or a kind of cell in it, has no operation with weights.

    Only active choices between operations with and without weights count, not those between widths or pools. A kind of
    cell (see :func:`group_of`) has collapsed if it has at least two such choices and an operation without weights (a
    skip, a pool, zero) is selected in all of them; the architecture has if this holds for all choices.

    Args:
        parameter_free: which options of a choice have no weights; a choice that is missing has no such option.

    Returns:
        A sentence with how often each operation is selected; None if nothing has collapsed.
    """
    groups: dict[str, list[tuple[Any, bool]]] = {}
    for name, value in architecture.items():
        flags = parameter_free.get(name, ())
        if any(flags) and not all(flags):
            keys = list(map(candidate_key, space.choices[name]))
            groups.setdefault(group_of(name), []).append((value, flags[keys.index(candidate_key(value))]))
    collapsed = {group: selected for group, selected in groups.items() if all(free for _, free in selected)}
    if groups and len(collapsed) == len(groups):
        operations = [value for selected in collapsed.values() for value, _ in selected]
        return f"The derived architecture has collapsed: none of its operations has weights ({_counts(operations)})."
    parts = [
        f"{group or 'what is outside of named cells'} ({_counts([value for value, _ in selected])})"
        for group, selected in collapsed.items()
        if len(selected) > 1
    ]
    if not parts:
        return None
    return f"The derived architecture has collapsed in part: no operation has weights in {'; '.join(parts)}."


def group_of(name: str) -> str:
    """The kind of cell that a choice belongs to: its name up to the first dot, such as "normal" or "reduce".

    Empty if there is no dot, or only the number of a layer before it.

    >>> group_of("normal.edge_0_2"), group_of("edge_0_2"), group_of("3.kernel_size")
    ('normal', '', '')
    """
    prefix, dot, _ = name.partition(".")
    return prefix if dot and not prefix.isdigit() else ""


def subset_elements(space: Space, options: Options | None) -> dict[str, tuple[Any, ...]]:
    """The elements of each subset of the space, that is of each choice whose options are not its candidates."""
    return {
        name: tuple(options[name])
        for name, candidates in space.choices.items()
        if options and name in options and candidate_key(list(options[name])) != candidate_key(list(candidates))
    }


def option_weights(
    space: Space, probabilities: Probabilities, *, options: Options | None = None, banned: Flags | None = None
) -> dict[str, Floats]:
    """The weights ``[options]`` of every choice, minus infinity if banned; for the arguments see :func:`derive`.

    Raises:
        UsageError: as :func:`derive` does.
    """
    options, banned = options or {}, banned or {}
    for given, what in ((probabilities, "probabilities"), (options, "options"), (banned, "banned options")):
        _check_names(space, given, what)
    subsets = subset_elements(space, options)
    checked = {}
    for name, candidates in space.choices.items():
        count = len(subsets.get(name, candidates))
        if name not in probabilities and name not in subsets and count > 1:
            raise UsageError(
                f"probabilities do not name choice '{name}'; give a weight for each of its {count} options."
            )
        weights = _checked(name, probabilities.get(name, np.ones(count)))
        flags = np.asarray(banned.get(name, [False] * count), dtype=bool)
        if weights.shape != (count,) or flags.shape != (count,):
            raise UsageError(
                f"choice '{name}' has {count} options, but weights {weights.shape} and banned flags {flags.shape}."
            )
        if flags.all():
            raise UsageError(f"every option of choice '{name}' is banned; leave at least one of {list(candidates)}.")
        checked[name] = np.where(flags, -np.inf, weights)
    return checked


def _checked(name: str, values: npt.ArrayLike) -> Floats:
    weights = np.asarray(values, dtype=np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise UsageError(
            f"weights of choice '{name}' are {weights.tolist()}, expected finite numbers of at least 0; "
            "if they were learnt, the training has diverged."
        )
    return weights


def _check_names(space: Space, given: Mapping[str, Any], what: str) -> None:
    for name in given:
        if name not in space.choices:
            raise UsageError(f"{what} name '{name}', which is no choice; {did_you_mean(name, space.choices)}")


def _choices_on(space: Space, subset: str, element: Any) -> list[str]:
    """The outermost choices that are active exactly if the subset contains the element, such as an edge's operation."""
    containing = (index for index, candidate in enumerate(space.choices[subset]) if element in candidate)
    contained = Condition((subset,), frozenset((index,) for index in containing))
    outer = {condition for use in space.uses[subset] for condition in use}
    return [
        name
        for name, uses in space.uses.items()
        if any(contained in use and outer.issuperset(set(use) - {contained}) for use in uses)
    ]


def _only(name: str, weights: Floats, positions: Sequence[int]) -> Floats:
    """The weights, minus infinity but at some positions."""
    kept = np.isin(np.arange(len(weights)), positions)
    if np.isneginf(weights[kept]).all():
        raise UsageError(f"every option of choice '{name}' that may be selected is banned; leave at least one.")
    return np.where(kept, weights, -np.inf)


def _best_candidate(candidates: Sequence[Any], elements: Sequence[Any], scores: Sequence[float]) -> Any:
    """The candidate with the element of the highest score, of several the one with the next best one, and so on."""
    by_score = sorted(range(len(elements)), key=lambda position: -scores[position])
    return max(candidates, key=lambda candidate: [elements[position] in candidate for position in by_score])


def _counts(values: Sequence[Any]) -> str:
    return ", ".join(f"{count} of {len(values)} {value}" for value, count in Counter(map(str, values)).most_common())
