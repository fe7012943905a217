"""A population: the architectures of a space, or of those alone that meet conditions."""

import hashlib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nas.benchmark.question import benchmark_question
from nas.errors import UsageError, did_you_mean
from nas.search import Constraint, Objective
from nas.space import Architecture, Space
from nas.space_study.judges import FinishedSearch, Judge, TableOrFunction

__all__ = ["ChoiceCondition", "Population", "read_population"]

_CLAUSE = re.compile(r"(?P<name>\S+?)\s*(?P<operator><=|>=|=|<|>|\bin\b)\s*(?P<value>.+)")
_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
    "in": lambda candidate, allowed: candidate in allowed,
}
_ATTEMPTS = 10_000


@dataclass(frozen=True)
class ChoiceCondition:
    """What the candidate of a choice must be; it does not hold where the choice is not there.

    >>> ChoiceCondition("kernel", "in", [3, 5]).holds({"kernel": 7})
    False
    """

    choice: str
    operator: str
    value: Any

    def holds(self, architecture: Mapping[str, Any]) -> bool:
        """Whether an architecture meets it."""
        return self.choice in architecture and _HOLDS[self.operator](architecture[self.choice], self.value)


@dataclass(frozen=True)
class Population:
    """Architectures that are drawn at random, each choice uniformly, until one meets all conditions.

    Attributes:
        label: as the user wrote it: a space, then perhaps ``where`` and conditions with ``and`` between.
        judge: what tells how good its architectures are.
        conditions: on choices.
        bounds: on metrics.
    """

    label: str
    judge: Judge
    conditions: tuple[ChoiceCondition, ...] = ()
    bounds: tuple[Constraint, ...] = ()

    @property
    def objective(self) -> Objective:
        """What its architectures are judged by."""
        return self.judge.objective

    @property
    def number(self) -> int:
        """Of its label, so that its draws are its own."""
        return int.from_bytes(hashlib.sha256(self.label.encode()).digest()[:4])

    def draw(self, rng: np.random.Generator) -> tuple[Architecture, float | None]:
        """A random member, and its metric; None where it has none.

        What is known beforehand is asked first, so that nothing is evaluated in vain but for bounds on other metrics.

        Raises:
            UsageError: hardly any architecture meets the conditions, or the evaluator fails.
        """
        judge, fidelity = self.judge, self.judge.fidelity
        for _ in range(_ATTEMPTS):
            architecture = judge.space.sample(rng)
            if fidelity.name is not None:
                architecture = fidelity.at(architecture, fidelity.most)
            known = judge.known(architecture)
            if not (self._fits(known) and all(each.holds(architecture) for each in self.conditions)):
                continue
            metrics = {**known, **judge.metrics(architecture)}
            if self._fits(metrics):
                value = metrics[self.objective.metric]
                return architecture, value if np.isfinite(value) else None
        raise UsageError(
            f"population '{self.label}': none of {_ATTEMPTS:,} random architectures meets its conditions; loosen them."
        )

    def _fits(self, metrics: Mapping[str, float]) -> bool:
        """Whether no bound on one of these metrics is violated."""
        return not any(each.violation(metrics) for each in self.bounds if each.metric in metrics)


def read_population(label: str, run: Path | None = None, **asked: Any) -> Population:
    """A population as a user writes it, such as ``nasbench201 where params <= 1 and edge_0_1 in [none, nor_conv_3x3]``.

    Args:
        run: folder of a finished search, whose space and evaluator are meant, whatever the label calls it; or
        asked: what tells how good architectures are, as of :func:`nas.benchmark.benchmark_question`.

    Raises:
        UsageError: it has another form, or its space, table, evaluator or run cannot be used.
    """
    space, where, given = f"{label} ".partition(" where ")
    if where and not given.strip():
        raise _unread(label, given)

    def judge(bounds: list[str]) -> TableOrFunction:
        return TableOrFunction(benchmark_question(space.strip(), constraints=bounds, **asked).setup)

    of_all: Judge = judge([]) if run is None else FinishedSearch(run)
    conditions, bounds = [], list[Constraint]()
    for clause in [each.strip() for each in given.split(" and ") if each.strip()]:
        match = _CLAUSE.fullmatch(clause)
        if match is not None and match["name"] in of_all.space.choices:
            conditions.append(_condition(label, of_all.space, match))
        elif match is None or match["operator"] in ("=", "in"):
            raise _unread(label, clause)
        else:
            bounds.append(Constraint.parse(clause))
    if isinstance(of_all, FinishedSearch):
        for each in bounds:
            of_all.check_bound(each)
        return Population(label, of_all, tuple(conditions), tuple(bounds))
    return Population(label, judge(list(map(str, bounds))), tuple(conditions), tuple(bounds))


def _unread(label: str, clause: str) -> UsageError:
    return UsageError(
        f"population '{label}': {clause.strip()!r} is no condition; write a choice of the space or a metric and its "
        "bound, as in 'depth >= 3', 'kernel in [3, 5]' or 'params <= 1e6', with 'and' between."
    )


def _condition(label: str, space: Space, match: re.Match[str]) -> ChoiceCondition:
    name, value = match["name"], yaml.safe_load(match["value"])
    candidates, condition = space.choices[name], ChoiceCondition(name, match["operator"], value)
    if match["operator"] == "in" and not isinstance(value, list):
        raise UsageError(f"population '{label}': write the candidates of '{name}' as in '{name} in [a, b]'.")
    try:
        met = [each for each in candidates if condition.holds({name: each})]
    except TypeError:
        raise UsageError(
            f"population '{label}': {match[0]!r} cannot be compared with the candidates {list(candidates)}."
        ) from None
    unknown = [each for each in (value if match["operator"] == "in" else []) if each not in candidates]
    if not met or unknown:
        wanted = str(unknown[0] if unknown else value)
        hint = did_you_mean(wanted, list(map(str, candidates)))
        raise UsageError(f"population '{label}': no candidate of '{name}' is {match['operator']} {wanted}; {hint}")
    return condition
