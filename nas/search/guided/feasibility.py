"""How far architectures are from the constraints, learnt from how far others were."""

from collections.abc import Callable, Sequence

import numpy as np

from nas.search.guided.encodings import Columns, Rows
from nas.search.strategy import Result
from nas.space import Space

__all__ = ["Violations", "learn_excess", "learn_violations"]

Violations = Callable[[Rows], Columns]
"""Rows to expected violations ``[n]``, 0 where none is expected."""

_PENALTY = 0.1
_ROUNDS = 20


def learn_excess(space: Space, results: Sequence[Result]) -> tuple[Columns, float] | None:
    """A sum over choices that is above zero by as much as constraints are violated (Tobin, 1958).

    Costs are close to sums over choices, but how far a feasible architecture is from the bound is not told. So the
    sum is fitted by least squares, in rounds in which feasible ones are taken to be where the last round put them, or
    on the bound. What failed to be evaluated tells nothing.

    Returns:
        Values of the candidates ``[columns]``, in the order of :attr:`nas.space.Space.columns`, and a constant; None
        as long as nothing violates a constraint.
    """
    known = [result for result in results if np.isfinite(result.violation)]
    if not any(result.violation > 0 for result in known):
        return None
    columns = _with_constant(space, space.indices([result.architecture for result in known]))
    violations = np.array([result.violation for result in known])
    gram = columns.T @ columns + _PENALTY * np.eye(columns.shape[1])
    solve = np.linalg.solve(gram, columns.T)
    feasible, targets = violations <= 0, violations
    for _ in range(_ROUNDS):
        weights = solve @ targets
        targets = np.where(feasible, np.minimum(columns @ weights, 0.0), violations)
    return weights[:-1], float(weights[-1])


def learn_violations(space: Space, results: Sequence[Result]) -> Violations:
    """What :func:`learn_excess` expects of rows."""
    excess = learn_excess(space, results)
    if excess is None:
        return lambda rows: np.zeros(len(rows))
    weights, constant = excess
    return lambda rows: np.maximum(space.one_hot(rows) @ weights + constant, 0.0)


def _with_constant(space: Space, rows: Rows) -> Columns:
    return np.hstack([space.one_hot(rows), np.ones((len(rows), 1))], dtype=np.float64)
