"""What every strategy of a benchmark is asked alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from nas.errors import UsageError
from nas.search import Constraint, Objective, needs_probabilities
from nas.setup.without_model import SetupWithoutModel, resolve_without_model, space_of

__all__ = ["Entrant", "Question", "benchmark_question", "check_entrants"]


@dataclass(frozen=True)
class Entrant:
    """A strategy with its options.

    Attributes:
        label: as the user wrote it: the name, then options as key=value.

    >>> Entrant("evolution population=10 tournament=3").options
    {'population': 10, 'tournament': 3}
    """

    label: str

    @property
    def name(self) -> str:
        """Of the strategy."""
        return self.label.split()[0]

    @property
    def options(self) -> dict[str, Any]:
        """Its options.

        Raises:
            UsageError: they have another form.
        """
        found = {}
        for word in self.label.split()[1:]:
            key, equals, value = word.partition("=")
            if not key or not equals:
                raise UsageError(
                    f"strategy '{self.label}' has the option '{word}'; write it as in 'evolution population=10'."
                )
            found[key] = yaml.safe_load(value)
        return found


@dataclass(frozen=True)
class Question:
    """A space, what tells how good its architectures are, and how many of them may be tried.

    Attributes:
        setup: of the searches.
        batch: how many architectures a strategy is asked for at a time.
    """

    setup: SetupWithoutModel
    batch: int = 1

    @property
    def candidates(self) -> int:
        """Architectures that a strategy may try, each trained for the most epochs."""
        return self.setup.budget

    @property
    def objective(self) -> Objective:
        """What is searched for first."""
        return self.setup.objectives[0]

    @property
    def cost(self) -> str | None:
        """A second objective, which is minimised."""
        return self.setup.config.cost

    @cached_property
    def known(self) -> list[dict[str, float]]:
        """All rows of a table for whole trainings: metrics, and ``test`` if it has that; none of a function."""
        setup = self.setup
        return [] if setup.results is None else setup.results.rows(setup.fidelity.is_whole)

    @property
    def has_test(self) -> bool:
        """Whether a test figure of every architecture is known."""
        return bool(self.known) and "test" in self.known[0]

    def optimum(self, column: str) -> float | None:
        """The best value of the metric, or of ``test``, that the table has; None of a function.

        A table that does not cover the space may lack a better one.
        """
        values = [row[column] for row in self.known if row.get(column) is not None and row[column] == row[column]]
        return None if not values else (max if self.objective.maximise else min)(values)

    def record(self) -> dict[str, Any]:
        """In plain values what makes two benchmarks the same, but for strategies and seeds."""
        config, identity = self.setup.config, self.setup.identity
        return {
            "space": config.space,
            "fingerprint": self.setup.space.fingerprint,
            "evaluator": identity.evaluator,
            "table": identity.fidelity,
            "objectives": list(map(str, self.setup.objectives)),
            "constraints": list(map(str, self.setup.constraints)),
            "candidates": self.candidates,
            "batch": self.batch,
        }


def benchmark_question(
    space: str,
    *,
    table: Path | None = None,
    evaluator: str | None = None,
    metric: str | None = None,
    test: str | None = None,
    cost: str | None = None,
    minimise: bool = False,
    constraints: Sequence[str] = (),
    candidates: int = 200,
    batch: int = 1,
    settings: Mapping[str, Any] | None = None,
) -> Question:
    """What ``nas benchmark`` asks.

    Args:
        table: of results; or
        evaluator: ``module:function`` of an architecture.
        metric: a column of the table, or a name in what the function gives.
        test: the table's column with what the best network reaches in the end.
        settings: more of ``space_args``, ``extra``, ``evaluator_args`` and ``evaluation``.

    Raises:
        UsageError: neither or both of table and evaluator, or the configuration cannot be carried out.
    """
    if (table is None) == (evaluator is None):
        raise UsageError(
            "how good architectures are is told either by a table or by a function; give --table FILE or --evaluator "
            "module:function."
        )
    given = dict(settings or {})
    options = dict(given.pop("evaluator_args", {}))
    if table is not None:
        bounded = [Constraint.parse(text).metric for text in constraints]
        read = dict.fromkeys([] if metric is None else [metric, *([] if cost is None else [cost]), *bounded])
        named = [name for name in read if name not in options.get("costs", ())]
        options |= {"path": str(table), **({"metrics": named} if named and "metrics" not in options else {})}
        options |= {} if test is None else {"test": test}
    elif test is not None:
        raise UsageError("--test is a column of a table, and a function has none; leave it out.")
    objective = f"{'minimise' if minimise else 'maximise'} {metric}" if metric is not None else None
    values = {
        "space": space,
        "evaluator": evaluator or "table",
        "evaluator_args": options,
        "objective": objective,
        "cost": cost,
        "constraints": list(constraints),
        "candidates": candidates,
        **given,
    }
    config = resolve_without_model(values, "benchmark")
    setup = SetupWithoutModel(config, space_of(config))
    setup.evaluator()
    return Question(setup, batch)


def check_entrants(labels: Sequence[str], setup: SetupWithoutModel) -> list[Entrant]:
    """The strategies, each once.

    Raises:
        UsageError: one is not there, cannot be made with its options, or needs a supernet.
    """
    entrants = [Entrant(label) for label in dict.fromkeys(" ".join(each.split()) for each in labels) if label]
    if not entrants:
        raise UsageError("a benchmark has no strategies; name some, such as --strategies random,evolution,tpe.")
    for each in entrants:
        if needs_probabilities(each.name):
            raise UsageError(f"strategy '{each.name}' samples what a supernet has learnt; leave it out.")
        setup.strategy(each.name, each.options, seed=0)
    return entrants
