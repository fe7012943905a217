"""The architecture of a space that has the smallest sum of a value for each candidate: an exact integer program."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.space import Architecture, Condition, Space
from nas.space.condition import Use

__all__ = ["AtMost", "SumProgram"]

Floats = NDArray[np.float64]
_Terms = dict[int, float]
"""Variable → its factor in a sum."""

_INFEASIBLE = 2
"""A status of SciPy's."""


class AtMost(NamedTuple):
    """A sum over the chosen candidates that is bounded.

    Attributes:
        values: ``[columns]``, in the order of :attr:`nas.space.Space.columns`, such as milliseconds of a lookup table.
        bound: in the unit of the values.
    """

    values: Floats
    bound: float


class SumProgram:
    """Finds architectures by sums over their choices, exactly, in spaces of any size.

    A choice is a group of binary variables of which one is set if it is active, and none if not; conditions become
    conjunctions and disjunctions of these. Solved by HiGHS (Huangfu and Hall, 2018), which SciPy brings. So blocks with
    scores and measured latencies become the best network within a bound, as in Puzzle (Bercovich et al., 2024).

    >>> space = Space({"kernel": [3, 5, 7], "depth": [1, 2]})
    >>> scores, latencies = np.array([0.1, 0.3, 0.5, 0.2, 0.4]), np.array([1.0, 2.0, 4.0, 1.0, 2.0])
    >>> SumProgram(space).smallest(-scores, [AtMost(latencies, 4.0)])
    Architecture({'kernel': 5, 'depth': 2})
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        ends = np.cumsum([len(candidates) for candidates in space.choices.values()]).tolist()
        self._columns = {
            name: range(end - len(candidates), end)
            for (name, candidates), end in zip(space.choices.items(), ends, strict=True)
        }
        self._binary = ends[-1] if ends else 0
        self._one = self._binary
        """A variable that is fixed to one, so that sums need no constants."""
        self._variables = self._binary + 1
        self._rows: list[tuple[_Terms, float, float]] = []
        """Each sum lies between two numbers."""
        for name, uses in space.uses.items():
            active = dict.fromkeys(self._columns[name], 1.0)
            self._rows.append((_difference(active, self._any([self._reached(use) for use in uses])), 0.0, 0.0))

    def smallest(
        self, values: Floats, bounds: Sequence[AtMost] = (), excluded: Iterable[Architecture] = ()
    ) -> Architecture | None:
        """The architecture with the smallest sum of the values of its candidates; None if there is none left.

        Args:
            values: ``[columns]``, in the order of :attr:`nas.space.Space.columns`.
            bounds: on other sums, all of which hold to the last digit.
            excluded: architectures that do not count.
        """
        rows = [*self._rows, *map(self._without, excluded)]
        rows += [(dict(enumerate(map(float, each.values))), -np.inf, each.bound) for each in bounds]
        while (found := self._solved(values, rows)) is not None:
            (chosen,) = self._space.one_hot([found]).astype(np.float64)
            if all(chosen @ each.values <= each.bound for each in bounds):
                return found
            rows.append(self._without(found))  # within the tolerance of the solver, but not within the bound
        return None

    def _solved(self, values: Floats, rows: Sequence[tuple[_Terms, float, float]]) -> Architecture | None:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        entries = [(factor, row, column) for row, (terms, *_) in enumerate(rows) for column, factor in terms.items()]
        factors, *places = np.array(entries).reshape(-1, 3).T
        at = tuple(each.astype(np.int32) for each in places)
        matrix = coo_array((factors, at), shape=(len(rows), self._variables))
        lowest, highest = np.zeros(self._variables), np.ones(self._variables)
        lowest[self._one] = 1.0
        solution = milp(
            np.concatenate([values, np.zeros(self._variables - self._binary)]),
            integrality=np.arange(self._variables) < self._binary,
            bounds=Bounds(lowest, highest),
            constraints=LinearConstraint(matrix.tocsr(), [each[1] for each in rows], [each[2] for each in rows]),
            options={"mip_rel_gap": 0.0},
        )
        if solution.x is None:
            if solution.status == _INFEASIBLE:
                return None
            raise RuntimeError(f"HiGHS found no optimum: {solution.message}")
        row = [int(np.argmax(solution.x[group.start : group.stop])) for group in self._columns.values()]
        (found,) = self._space.from_indices([row])
        return found

    def _without(self, architecture: Architecture) -> tuple[_Terms, float, float]:
        """A row that forbids one architecture: not all of its candidates at once."""
        (chosen,) = self._space.one_hot([architecture])
        terms = {int(column): 1.0 for column in np.flatnonzero(chosen)}
        return terms, -np.inf, len(terms) - 1.0

    def _reached(self, use: Use) -> _Terms:
        return self._all([self._holds(condition) for condition in use])

    def _holds(self, condition: Condition) -> _Terms:
        """A sum that is one where the choices take one of the allowed combinations, else zero."""
        combinations: Iterator[list[_Terms]] = (
            [{self._columns[name][index]: 1.0} for name, index in zip(condition.names, indices, strict=True)]
            for indices in sorted(condition.allowed)
        )
        return {variable: factor for each in combinations for variable, factor in self._all(each).items()}

    def _all(self, states: Sequence[_Terms]) -> _Terms:
        """One where all states are one, else zero."""
        if len(states) == 1:
            return states[0]
        both = {self._one if not states else self._new_variable(): 1.0}
        self._rows += [(_difference(both, state), -np.inf, 0.0) for state in states]
        if states:
            self._rows.append((_difference(_sum(states), both), -np.inf, len(states) - 1.0))
        return both

    def _any(self, states: Sequence[_Terms]) -> _Terms:
        """One where a state is one, else zero."""
        if len(states) == 1:
            return states[0]
        either = {self._new_variable(): 1.0}
        self._rows += [(_difference(state, either), -np.inf, 0.0) for state in states]
        self._rows.append((_difference(either, _sum(states)), -np.inf, 0.0))
        return either

    def _new_variable(self) -> int:
        self._variables += 1
        return self._variables - 1


def _sum(states: Sequence[_Terms]) -> _Terms:
    total: _Terms = {}
    for state in states:
        for variable, factor in state.items():
            total[variable] = total.get(variable, 0.0) + factor
    return total


def _difference(left: Mapping[int, float], right: Mapping[int, float]) -> _Terms:
    return _sum([dict(left), {variable: -factor for variable, factor in right.items()}])
