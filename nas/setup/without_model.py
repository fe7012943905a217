"""What a search without a model is asked to do: a space, a function of its architectures or a table, a strategy."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from nas.errors import UsageError
from nas.evaluation.each_alone import EachAlone
from nas.evaluation.evaluators import EVALUATORS, traits_of
from nas.evaluation.time_limit import TimeLimit
from nas.parts import check_options
from nas.search import (
    STRATEGIES,
    Constraint,
    Objective,
    ResultIdentity,
    RowsFunction,
    Strategy,
    make_strategy,
    needs_probabilities,
    strategy_options,
)
from nas.setup.config import NO_TASK, RunConfig, read_back
from nas.setup.spaces import SPACES, build_space, called
from nas.space import Fidelity, Space, find_notation, is_space_file, read_space
from nas.tables.results import TableResults

__all__ = ["SetupWithoutModel", "has_no_model", "resolve_without_model", "space_of"]

_TABLE = "table"
_KEYS = frozenset(
    {
        *(
            "space",
            "space_args",
            "extra",
            "task",
            "evaluator",
            "evaluator_args",
            "objective",
            "cost",
            "strategy",
            "strategy_args",
        ),
        *("constraints", "candidates", "seed", "workers", "ray", "storage", "study", "track"),
    }
)
_SCORE = "score"
"""What the number of a function is called that gives one alone and says nothing else."""
_EXAMPLE: tuple[tuple[int, ...], int] = ((3, 32, 32), 10)
"""What a model reads and gives where it is built for its choices alone."""


def has_no_model(values: Mapping[str, Any]) -> bool:
    """Whether settings ask for a search without a model: by ``task: none``, or by a space that has none.

    Raises:
        UsageError: the space or the evaluator is not there.
    """
    space, task, evaluator = (values.get(key) for key in ("space", "task", "evaluator"))
    if task is not None or not isinstance(space, str):
        return task == NO_TASK
    if is_space_file(space):
        return True
    if SPACES.own_code(space) is None or not isinstance(evaluator, str) or traits_of(evaluator).needs_supernet:
        return False
    part = SPACES[space]
    needed = () if isinstance(part, Space) else inspect.signature(part).parameters
    return isinstance(part, Space) or ("input_shape" not in needed and isinstance(_called(space, values), Space))


def resolve_without_model(values: Mapping[str, Any], source: str) -> RunConfig:
    """A checked configuration of such a search from partial values.

    Raises:
        UsageError: a value that it has no use for, or one of the wrong type; a name that nothing has.
    """
    config = read_back({"constraints": [], **values, "task": NO_TASK}, source)
    evaluation = config.evaluation.model_copy(update={"seconds": None})
    for key in config.model_fields_set - _KEYS:
        value = evaluation if key == "evaluation" else getattr(config, key)
        if value != RunConfig.model_fields[key].get_default(call_default_factory=True):
            raise UsageError(
                f"{source}: {key} is given, but a search without a model trains, measures and exports nothing; leave "
                "it out, or name a space with a model and a task."
            )
    if "evaluator" not in config.model_fields_set or traits_of(config.evaluator).needs_supernet:
        raise UsageError(
            f"{source}: space '{config.space}' is searched without a model, so nothing can be trained; name what tells "
            "how good its architectures are: --evaluator table or module:function."
        )
    if not is_space_file(config.space):
        SPACES.require(config.space)
    for text in config.constraints:
        if Constraint.parse(text).of_largest:
            raise UsageError(
                f"constraint '{text}' is a share of the largest, which a search without a model does not know; write a "
                "number in its unit."
            )
    STRATEGIES.require(config.strategy)
    if STRATEGIES.own_code(config.strategy) is None:
        strategy_options(config.strategy, config.strategy_args)
    if needs_probabilities(config.strategy):
        raise UsageError(f"strategy '{config.strategy}' samples what a supernet has learnt; choose another.")
    if config.objective is not None:
        Objective.parse(config.objective)
    return config


def space_of(config: RunConfig) -> Space:
    """The space alone, of a file, a function or a model, which is built for its choices and dropped; and choices
    outside of it.

    Raises:
        UsageError: there is none, it cannot be read, or it has a choice that is outside of it, too.
    """
    space = _own_space(config).product(Space(config.extra))
    Fidelity.of(space, config.fidelity)
    return space


def _own_space(config: RunConfig) -> Space:
    if is_space_file(config.space):
        return read_space(config.space)
    if isinstance(SPACES[config.space], Space):
        return SPACES[config.space]  # type: ignore[return-value]
    if SPACES.own_code(config.space) is not None:
        made = _called(config.space, {"space_args": config.space_args})
        if isinstance(made, Space):
            return made
    import torch

    from nas.supernet import Supernet

    shape, outputs = _EXAMPLE
    try:
        return Supernet(build_space(config.space, config.space_args, shape, torch.float32, outputs)).space
    except UsageError as error:
        raise UsageError(
            f"{error} Without data the model of a space is built for inputs of shape {list(shape)} and {outputs} "
            "outputs; space_args.input_shape and space_args.classes tell of others."
        ) from error


def _called(space: str, values: Mapping[str, Any]) -> Any:
    """What a user's function of a space gives where it needs to know nothing of data; None where it does."""
    function, given = SPACES[space], values.get("space_args") or {}
    arguments = check_options(function, given if isinstance(given, Mapping) else {}, f"space '{space}'")
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError:
        return None
    return called(space, arguments)


@dataclass(frozen=True)
class SetupWithoutModel:
    """All that such a search needs, made of its configuration; it can be sent to workers.

    Attributes:
        space: the architectures that there are.
    """

    config: RunConfig
    space: Space

    @cached_property
    def constraints(self) -> list[Constraint]:
        """On what the evaluator gives."""
        return [Constraint.parse(text) for text in self.config.constraints]

    @cached_property
    def fidelity(self) -> Fidelity:
        """How long architectures are trained."""
        return Fidelity.of(self.space, self.config.fidelity)

    @property
    def budget(self) -> int:
        """Whole trainings that a search may take: no more than there are architectures."""
        return min(self.config.candidates, self.space.size // len(self.fidelity.levels))

    @cached_property
    def results(self) -> TableResults | None:
        """The table, if there is one."""
        if self.config.evaluator != _TABLE:
            return None
        ours = ("space", "seed", "notation", "input_size")
        options = check_options(TableResults, self.config.evaluator_args, "evaluator 'table'", ours)
        if "path" not in options:
            raise UsageError("evaluator 'table' needs an option 'path'; give it in evaluator_args.")
        if "metrics" not in options and (named := self._named):
            options["metrics"] = [name for name in named if name not in options.get("costs", ())]
        notation = find_notation(self.config.space)
        return TableResults(self.space, **options, seed=self.config.seed, notation=notation)

    @cached_property
    def objectives(self) -> list[Objective]:
        """What is asked for, else the greatest of what is given first; then the least cost, if one is named."""
        config = self.config
        first = _SCORE if self.results is None else self.results.metrics[0]
        declared = traits_of(config.evaluator).metrics or {first: True}
        default = Objective(*next(iter(declared.items())))
        sought = default if config.objective is None else Objective.parse(config.objective)
        return [sought, *([] if config.cost is None else [Objective(config.cost, maximise=False)])]

    def evaluator(self) -> TableResults | EachAlone | TimeLimit:
        """What tells how good architectures are.

        Raises:
            UsageError: it is none, or needs a model.
        """
        config = self.config
        if self.results is not None:
            self._check_columns([*self.results.metrics, *self.results.costs])
            return self.results
        part = EVALUATORS[config.evaluator]
        if inspect.isclass(part):
            raise UsageError(
                f"evaluator '{config.evaluator}' is made of a nas.problem.Problem, which a search without a model does "
                "not have; write a function of an architecture, or name a task."
            )
        first = list(inspect.signature(part).parameters)[:1]
        options = check_options(part, config.evaluator_args, f"evaluator '{config.evaluator}'", first)
        alone = EachAlone(config.evaluator, partial(part, **options), self.objectives[0].metric)
        if config.evaluation.seconds is None:
            return alone
        return TimeLimit(alone, config.evaluation.seconds, self._needed)

    @property
    def costs(self) -> RowsFunction | None:
        """What is known of architectures before they are evaluated; None where nothing is."""
        return self.results.cost_rows if self.results is not None and self.results.costs else None

    def strategy(self, name: str, options: Mapping[str, Any], seed: int) -> Strategy:
        """A new strategy that searches what this setup is of.

        Raises:
            UsageError: there is no such strategy or option, or it needs what this setup does not have.
        """
        return make_strategy(name, self.space, seed, fidelity=self.config.fidelity, costs=self.costs, **options)

    def _check_columns(self, known: Sequence[str]) -> None:
        """Refuses what is searched for, or bounded, and is not among the columns that are read."""
        for each in self.objectives:
            each.value(dict.fromkeys(known, 0.0))
        for constraint in self.constraints:
            constraint.check_metric(known)

    @property
    def identity(self) -> ResultIdentity:
        """What results in the ledger must agree in."""
        config = self.config
        fidelity = "" if self.results is None else self.results.fidelity
        return ResultIdentity(f"{config.evaluator} {sorted(config.evaluator_args.items())}", fidelity, config.seed)

    @property
    def _needed(self) -> list[str]:
        """Metrics without which an architecture cannot be judged."""
        return [*(each.metric for each in self.objectives), *(each.metric for each in self.constraints)]

    @property
    def _named(self) -> list[str]:
        """Metrics that the configuration names; none where it does not say what is searched for."""
        config = self.config
        if config.objective is None:
            return []
        costs = [] if config.cost is None else [config.cost]
        sought = Objective.parse(config.objective).metric
        return list(dict.fromkeys([sought, *costs, *(each.metric for each in self.constraints)]))
