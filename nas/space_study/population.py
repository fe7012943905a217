"""A population: the architectures of a space, or of those alone that meet conditions."""

import hashlib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from nas.benchmark.question import benchmark_question
from nas.errors import UsageError, did_you_mean
from nas.search import Constraint, Objective
from nas.search.pool import metrics_of
from nas.setup.without_model import SetupWithoutModel
from nas.space import Architecture

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
        setup: what tells how good its architectures are; its constraints are conditions on metrics.
        conditions: on choices.
    """

    label: str
    setup: SetupWithoutModel
    conditions: tuple[ChoiceCondition, ...] = ()

    @property
    def objective(self) -> Objective:
        """What its architectures are judged by."""
        return self.setup.objectives[0]

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
        setup, fidelity = self.setup, self.setup.fidelity
        evaluate = setup.evaluator()
        for _ in range(_ATTEMPTS):
            architecture = setup.space.sample(rng)
            if fidelity.name is not None:
                architecture = fidelity.at(architecture, fidelity.most)
            (known,) = [{}] if setup.costs is None else metrics_of(setup.costs, [architecture], "costs")
            if not (self._fits(known) and all(each.holds(architecture) for each in self.conditions)):
                continue
            metrics = {**known, **evaluate.row(architecture)}
            if self._fits(metrics):
                value = metrics[self.objective.metric]
                return architecture, value if np.isfinite(value) else None
        raise UsageError(
            f"population '{self.label}': none of {_ATTEMPTS:,} random architectures meets its conditions; loosen them."
        )

    def _fits(self, metrics: Mapping[str, float]) -> bool:
        """Whether no constraint on one of these metrics is violated."""
        return not any(each.violation(metrics) for each in self.setup.constraints if each.metric in metrics)


def read_population(label: str, **asked: Any) -> Population:
    """A population as a user writes it, such as ``nasbench201 where params <= 1 and edge_0_1 in [none, nor_conv_3x3]``.

    Args:
        asked: what tells how good architectures are, as of :func:`nas.benchmark.benchmark_question`.

    Raises:
        UsageError: it has another form, or its space, table or evaluator cannot be used.
    """
    space, _, given = label.partition(" where ")
    clauses = [each for each in given.split(" and ") if each.strip()]
    setup = benchmark_question(space.strip(), **asked).setup
    conditions, bounds = [], list[str]()
    for clause in clauses:
        match = _CLAUSE.fullmatch(clause.strip())
        if match is not None and match["name"] in setup.space.choices:
            conditions.append(_condition(label, setup, match))
        else:
            Constraint.parse(clause)
            bounds.append(clause)
    if bounds:
        setup = benchmark_question(space.strip(), constraints=bounds, **asked).setup
    return Population(label, setup, tuple(conditions))


def _condition(label: str, setup: SetupWithoutModel, match: re.Match[str]) -> ChoiceCondition:
    name, value = match["name"], yaml.safe_load(match["value"])
    candidates, condition = setup.space.choices[name], ChoiceCondition(name, match["operator"], value)
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
