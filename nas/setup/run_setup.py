"""Everything that a configuration stands for: data, supernet, costs, target, constraints."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nas.costs import LATENCY, Candidate, OwnCosts, StaticCosts
from nas.data import Data, Inputs, Split
from nas.distributed import RemoteMachine
from nas.errors import UsageError
from nas.evaluation import evaluate, groups_of
from nas.evaluation.evaluators import Evaluator, traits_of
from nas.evaluation.metrics import selected
from nas.hardware import (
    Catalogue,
    Machine,
    NetworkFeatures,
    NetworkKeys,
    NoBlockTableError,
    Recorded,
    feature_table,
    make_target,
)
from nas.methods import METHODS, Method
from nas.nn import initialise
from nas.predictors import Features
from nas.problem import Budget
from nas.search import Constraint, Objective, make_strategy, needs_probabilities, strategy_options
from nas.setup.checks import check_parts, require_cost
from nas.setup.columns import own_columns
from nas.setup.config import RunConfig
from nas.setup.evaluator import check_evaluator, made_evaluator, objective_of
from nas.setup.finishing import finishing
from nas.setup.names import is_table
from nas.setup.network_checks import check_batch_sizes, check_shapes
from nas.setup.recorded_targets import read_recorded
from nas.setup.supernets import built, divided, find_device, made_problem, phases_of
from nas.space import Architecture, ArchitectureSet, Space
from nas.streams import Stream, rng
from nas.tasks import Metric
from nas.training import Phase, Recipe

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LATENCY", "Setup"]

_CHECKED = 8
"""Random architectures whose shapes are checked, among them the smallest and the largest."""


class Setup:
    """Built from a configuration alone, so that every process of a run builds the same.

    ``supernet`` holds the networks that are delivered and whose costs count, ``searched`` is what is trained and
    evaluated: the same, unless method or settings search another model of the same space. ``data`` has for validation
    the part that selects, ``confirmation`` is the one that confirms, and ``deciding`` the one by which the last round
    of a search decides, if there is one.

    Args:
        folder: of the run, where its evaluator keeps what it needs again.
        read: the data with the whole validation split, where they were read before.

    Raises:
        UsageError: anything that the configuration names does not exist or does not fit together.
    """

    def __init__(self, config: RunConfig, folder: Path | None = None, read: Data | None = None) -> None:
        check_parts(config)
        self.config = config
        self.method: Method = METHODS[config.method]
        self.method.check_options(config.method_args)
        self.traits = traits_of(config.evaluator)
        check_evaluator(config)
        self.is_recorded = is_table(config.target)
        self.constraints = [Constraint.parse(text) for text in config.constraints]
        self.own_costs = OwnCosts(config.costs, config.costs_args)
        self.cost = config.cost or self._first_bounded or ("flops" if config.candidates == 1 else LATENCY)
        require_cost(self.cost, self.cost_names)
        torch.set_num_threads(config.cpu_threads)
        self.device = find_device(config.device)
        whole, self.supernet, self.searched = built(config, self.device, read)
        self.data, self.deciding, self.confirmation = divided(config, whole)
        self.metric: Metric = self.data.task.metric
        self.inputs: Inputs = self.data.inputs(config.export.input)
        self.space: Space = self.supernet.space
        self.target: Machine | Recorded = self._find_target()
        self.problem = made_problem(config, self.data, self.supernet, self.searched, folder=folder)
        self.costs = self.problem.costs
        self.objectives = [objective_of(config, self.traits, self.problem), Objective(self.cost, maximise=False)]
        self._check_names()
        self._check_evaluator()
        self._check_strategy()
        check_batch_sizes(config, self.supernet, self.data.examples)
        self._check_retraining()
        check_shapes(config, self.data, self.costs, self.samples[:_CHECKED])

    @property
    def cost_names(self) -> tuple[str, ...]:
        """What a search may keep low; all other columns say how good a network is."""
        return (LATENCY, *StaticCosts.names, *self.own_costs.names)

    @property
    def _first_bounded(self) -> str | None:
        """The cost that the first constraint on any bounds."""
        return next((each.metric for each in self.constraints if each.metric in self.cost_names), None)

    @property
    def seeks_best(self) -> bool:
        """Whether the strategy is to find the best network within the constraints, not a front."""
        return self.config.goal == "best" or (self.config.goal is None and self._first_bounded is not None)

    @property
    def finishing(self) -> int:
        """How many networks enter the last round of the search."""
        return finishing(self.config)

    @property
    def trains_again(self) -> bool:
        """Whether the network that is delivered is trained by itself after the search."""
        return self.finishing > 0 or self.config.retrain != "no"

    @property
    def finish_epochs(self) -> int:
        """Of the network that is left in the last round."""
        return self.config.finish.epochs or max(1, self.config.retraining.epochs // 2)

    @property
    def trains_feasible(self) -> bool:
        """Whether only architectures within the constraints, and near them, are trained, for the last round."""
        on_costs = all(each.metric in self.cost_names for each in self.constraints)
        wanted = self.config.train_on == "feasible" and self.seeks_best and on_costs
        was_asked = self.finishing > 0 if self.config.supernet is None else bool(self.config.train_for)
        return wanted and self.method.can_be_bounded and was_asked

    @property
    def has_teacher(self) -> bool:
        """Whether a pretrained network, or the supernet's largest, can teach others."""
        return self.config.pretrained or (self.traits.needs_supernet and not self.trains_feasible)

    @property
    def needs_latency(self) -> bool:
        """Whether the search itself depends on latency, or a predictor is there, or nothing else tells latency."""
        given = self.is_recorded or self.config.profile.run is not None
        return given or LATENCY in (self.cost, self.objective.metric, *(each.metric for each in self.constraints))

    @property
    def guard(self) -> dict[str, str]:
        """What a latency predictor is of: it serves no other space, target or input."""
        return {**self.subject, "target": self.target.fingerprint()}

    @property
    def subject(self) -> dict[str, str]:
        """What has a latency: the networks of a space for inputs of one form and shape."""
        return {
            "space": self.space.fingerprint,
            "model": f"{self.config.space} {json.dumps(self.config.space_args, sort_keys=True)}",
            "input": self.inputs.form,
            "input_shape": "x".join(map(str, self.data.input_shape)),
            "classes": str(self.data.output_shape[0]),
        }

    @property
    def draws(self) -> list[Architecture]:
        """Random architectures that stand for the space, some of them perhaps alike."""
        draws = (rng(self.config.seed, Stream.PROFILE, number) for number in range(self.config.profile.samples))
        return list(map(self.space.sample, draws))

    @cached_property
    def evaluator(self) -> Evaluator:
        """Evaluates candidates; with the supernet's weights, if it needs one, which must be trained."""
        return made_evaluator(self.config, self.problem)

    @property
    def objective(self) -> Objective:
        """What the search makes better."""
        return self.objectives[0]

    @property
    def score(self) -> str:
        """The column of the objective in tables and results."""
        return selected(self.data.task, self.objective.metric)

    @property
    def compares_examples(self) -> bool:
        """Whether the evaluator says example by example how good a network is at what is searched for."""
        return self.traits.tallies_examples and self.objective == Objective(self.metric.name, self.metric.maximise)

    @cached_property
    def samples(self) -> list[Architecture]:
        """The smallest, the largest and random architectures that stand for the space."""
        return list(dict.fromkeys([self.space.smallest(), self.space.largest(), *self.draws]))

    def costs_of(self, architecture: Architecture) -> dict[str, float]:
        """Everything that an architecture costs but latency: the static costs, and those of the run's own."""
        return {**self.costs(architecture), **self.own_costs(Candidate(architecture, self.costs))}

    def cost_table(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """The same, a row for each architecture."""
        import pandas as pd

        return pd.DataFrame([self.costs_of(architecture) for architecture in architectures])

    def catalogue(self) -> Catalogue:
        """The distinct blocks of the networks that are delivered.

        Raises:
            NoBlockTableError: costs do not add up over blocks.
        """
        return Catalogue(self.supernet, self.data.input_shape, self.data.input_dtype)

    @cached_property
    def traced(self) -> NetworkFeatures:
        """What predictors see of networks, each traced by itself."""
        return NetworkFeatures(self.costs)

    def features(self) -> Features:
        """What predictors see of networks: sums over blocks, or each network's own where costs do not add up."""
        try:
            return feature_table(self.catalogue())
        except NoBlockTableError:
            return self.traced

    @cached_property
    def network_key(self) -> NetworkKeys:
        """Architecture → a key, equal for those whose stand-alone networks are the same but for their weights."""
        return NetworkKeys(self.costs)

    def evaluate(self, network: nn.Module, split: Split, architecture: Mapping[str, Any]) -> dict[str, float]:
        """The metrics of the network of an architecture on a split, as it stands."""
        batches = split.at(architecture).batches(self.config.evaluation.batch_size)
        return evaluate(network, batches, self.data.task, groups_of(split))

    def inputs_of(self, architecture: Mapping[str, Any], form: str | None = None) -> Inputs:
        """What the file of an architecture's network reads; by default in the form that the run says."""
        return self.data.at(architecture).inputs(form or self.config.export.input)

    def _find_target(self) -> Machine | Recorded:
        config, label = self.config, self.config.ray.measure_on
        if self.is_recorded and label:
            raise UsageError(
                f"ray.measure_on is '{label}', but target '{config.target}' is a table, where nothing is measured; "
                "drop it."
            )
        if self.is_recorded:
            return read_recorded(config, self.space, self.data.input_shape)
        make = partial(
            make_target,
            config.target,
            threads=config.threads,
            batch=config.latency_batch,
            dtype=config.dtype,
            **config.target_args,
        )
        return RemoteMachine(label, make, config.ray.address) if label else make()

    def phases(
        self, budget: Budget | None = None, feasible: ArchitectureSet | None = None, recipe: Recipe | None = None
    ) -> Sequence[Phase]:
        """The training of the supernet; with a cost to keep if the method asks for one.

        Args:
            feasible: the architectures that paths are drawn from; all by default.
            recipe: in place of that of the run.
        """
        problem = replace(self.problem, budget=budget, feasible=feasible, recipe=recipe or self.config.training)
        return phases_of(self.config, problem)

    @property
    def sharing(self) -> dict[str, Any]:
        """The scheme by which the searched supernet shares weights, and what it holds."""
        parameters, buffers = list(self.searched.parameters()), list(self.searched.buffers())
        return {
            **self.searched.sharing.describe(),
            "parameters": sum(each.numel() for each in parameters),
            "bytes": sum(each.numel() * each.element_size() for each in (*parameters, *buffers)),
        }

    @property
    def is_differentiable(self) -> bool:
        """Whether the method learns architecture parameters in this run."""
        return self.method.family == "differentiable" and self.traits.needs_supernet

    def _check_names(self) -> None:
        """Refuses columns of one name, and constraints on unknown metrics, as far as they are known."""
        promised, task = self.traits.metrics or (), self.data.task
        self.own_costs.require_other([*own_columns(task), *task.columns, *promised])
        self.require_other(promised)
        if self.objective.metric == self.cost:
            raise UsageError(
                f"objective '{self.objective}' is of the cost that is minimised too; name another cost, or "
                "another objective."
            )
        if self.traits.tallies_examples and not promised:
            self.require_objective(task.columns)
        if self.traits.tallies_examples or promised:
            for constraint in self.constraints:
                known = [*task.figures, *promised, self.objective.metric, *self.cost_names]
                constraint.check_metric(list(dict.fromkeys(known)))

    def require_objective(self, metrics: Collection[str]) -> None:
        """Refuses an objective that is neither a metric of the evaluator nor a cost.

        Raises:
            UsageError: it is neither.
        """
        if self.objective.metric not in {*metrics, *self.cost_names}:
            raise UsageError(
                f"evaluator '{self.config.evaluator}' gives {', '.join(metrics) or 'no number'}, but the objective is "
                f"'{self.objective}'; set objective to maximise or minimise one of these."
            )

    def require_other(self, metrics: Iterable[str]) -> None:
        """Refuses metrics of the evaluator that are called as something else that results tell.

        Raises:
            UsageError: one of them is.
        """
        for name in sorted({*metrics} & {*own_columns(self.data.task), *self.own_costs.names}):
            raise UsageError(
                f"evaluator '{self.config.evaluator}' gives '{name}', but results call something else so; give it "
                "another name."
            )

    def _check_evaluator(self) -> None:
        """Makes one that waits for no training now, so that what is wrong with it shows before anything is done."""
        if not self.traits.needs_supernet and not callable(self.evaluator):
            raise UsageError(
                f"evaluator '{self.config.evaluator}' makes a {type(self.evaluator).__name__}, which cannot be called "
                "with architectures; give its class a __call__."
            )

    def _check_strategy(self) -> None:
        config = self.config
        if not needs_probabilities(config.strategy):
            make_strategy(
                config.strategy,
                self.space,
                config.seed,
                fidelity=config.fidelity,
                costs=self.cost_table,
                **config.strategy_args,
            )
            return
        strategy_options(config.strategy, config.strategy_args)
        if not self.traits.needs_supernet:
            raise UsageError(
                f"strategy '{config.strategy}' proposes what a method has learnt, but evaluator '{config.evaluator}' "
                "trains no supernet; use another strategy."
            )
        if not self.method.proposes:
            raise UsageError(
                f"strategy '{config.strategy}' proposes what a method has learnt, but method '{config.method}' learns "
                "no architecture; use a differentiable method or latency-pruning, or another strategy."
            )

    def _check_retraining(self) -> None:
        """Refuses fresh weights where a module cannot make them, and others where the searched model is another."""
        if self.config.retrain == "fresh" or not self.traits.needs_supernet:
            initialise(self.supernet.extract(self.space.largest()), self.config.seed)
        elif self.searched is not self.supernet:
            raise UsageError(
                f"retrain is '{self.config.retrain}', but the supernet that is searched has other sizes than the "
                "network that is delivered, which cannot inherit its weights; use retrain=fresh."
            )
