"""The search of a run, and random draws under the same constraints to compare it with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.evaluation import SharedWeights
from nas.files import write_file
from nas.runs.ledgers import open_ledger
from nas.search import (
    Constraint,
    MetricFunction,
    NothingFeasibleError,
    Pool,
    Seeded,
    SingleObjective,
    Strategy,
    make_strategy,
    search,
)
from nas.search.pool import Metrics, metrics_of
from nas.setup.evaluator import identity_of
from nas.setup.events import Evaluations
from nas.setup.folder import RunFolder
from nas.setup.progress import Progress
from nas.setup.run_setup import Setup
from nas.setup.workers import batch_size
from nas.space import Architecture, Fidelity
from nas.streams import Stream, derive_seed
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Searching", "evaluate_largest"]

_SHARE = 0.08
"""Of the time so far that random draws may take, each as long as a candidate of the search did. They share fewer blocks
with each other, and so take longer: up to a tenth of the time."""


_A_FEW = 8


def evaluate_largest(setup: Setup, pool: Pool, costs: MetricFunction, is_trained: bool) -> dict[str, Any]:
    """Metrics and costs of the largest architecture, which a run evaluates first, as it has all others evaluated.

    Args:
        is_trained: whether the supernet was trained on it, too; shared weights that were not have no metrics.

    Raises:
        UsageError: the evaluator gives no objective, or nothing that a constraint is on, or what results tell already.
    """
    largest, evaluator = setup.space.largest(), f"evaluator '{setup.config.evaluator}'"
    (known,) = metrics_of(costs, [largest], "costs")
    if not is_trained and isinstance(setup.evaluator, SharedWeights):
        return {"id": largest.id, "architecture": largest.key, **known}
    metrics = _evaluated(pool, largest)
    for promised in setup.traits.metrics or ():
        if promised not in metrics:
            raise UsageError(
                f"{evaluator} says that it gives '{promised}', but its table has numbers in "
                f"{', '.join(metrics) or 'no column'} alone; give that column numbers, or leave it out of its metrics."
            )
    setup.require_other(metrics)
    setup.require_objective(metrics)
    for constraint in setup.constraints:
        constraint.check_metric([*metrics, *setup.cost_names])
    return {"id": largest.id, "architecture": largest.key, **metrics, **known}


def _evaluated(pool: Pool, architecture: Architecture) -> Metrics:
    pool.submit([architecture])
    while True:
        for found, metrics in pool.collect():
            if found == architecture:
                return metrics


@dataclass(frozen=True)
class Searching:
    """What the search and the random draws have in common.

    Attributes:
        costs: everything that is known about architectures without running them.
        bounds: the constraints, those on costs absolute.
        evaluate: evaluates candidates by the part of the validation split that selects.
        hurry: evaluates no more than a few candidates beside those that were evaluated before.
    """

    setup: Setup
    folder: RunFolder
    progress: Progress
    costs: MetricFunction
    bounds: Sequence[Constraint]
    evaluate: Pool
    hurry: bool = False

    def search(self, learnt: Mapping[str, Any] | None, first: Sequence[Architecture] = ()) -> "pd.DataFrame":
        """The evaluated candidates.

        Args:
            learnt: by a differentiable method, which a strategy may follow.
            first: are evaluated first.
        """
        config, space = self.setup.config, self.setup.space
        budget = min(config.candidates, space.size // len(self.fidelity.levels))
        proposing = make_strategy(
            config.strategy,
            space,
            config.seed,
            learnt=learnt,
            fidelity=config.fidelity,
            costs=self.costs,
            **config.strategy_args,
        )
        proposing = SingleObjective(proposing) if self.setup.seeks_best else proposing
        proposing = Seeded(proposing, first) if first else proposing
        asked = counted(budget * self.fidelity.most, self.fidelity.unit)
        return self._run("search", proposing, budget, self.bounds, f"Searching {asked} ({config.strategy})")

    @property
    def fidelity(self) -> Fidelity:
        """How long architectures are trained."""
        return Fidelity.of(self.setup.space, self.setup.config.fidelity)

    def draw(self, candidates: "pd.DataFrame") -> "pd.DataFrame":
        """Random draws under the same constraints on costs, as many as the search had candidates.

        There are none where not one of them can be used. They are fewer where the run names another number, or where
        they would take more than a tenth of the time so far. That number is kept in ``baseline.json``, so that a run
        that goes on draws the same.
        """
        config, space, file = self.setup.config, self.setup.space, self.folder.baseline
        if config.random_baseline is None and not file.exists():
            write_file(file, json.dumps({"draws": self._affordable(self._whole_trainings(candidates))}))
        asked = self.folder.read(file)["draws"] if config.random_baseline is None else config.random_baseline
        budget = min(asked, space.size // len(self.fidelity.levels))
        if not budget:
            return candidates.head(0)
        on_costs = [bound for bound in self.bounds if bound.metric in self.setup.cost_names]
        proposing = make_strategy("random", space, derive_seed(config.seed, Stream.BASELINE), fidelity=config.fidelity)
        try:
            title = f"Evaluating {counted(budget, 'random candidate')}"
            return self._run("baseline", proposing, budget, on_costs, title)
        except NothingFeasibleError:
            return candidates.head(0)

    def _whole_trainings(self, candidates: "pd.DataFrame") -> int:
        """As many as take what all candidates took together."""
        epochs = sum(self.fidelity.epochs(Architecture.from_json(each)) for each in candidates["architecture"])
        return max(1, epochs // self.fidelity.most)

    def _affordable(self, candidates: int) -> int:
        seconds = self.folder.read(self.folder.origin)["seconds"]
        each = seconds["search"] / candidates
        return candidates if not each else min(candidates, max(1, int(_SHARE * sum(seconds.values()) / each)))

    def _run(
        self, stage: str, proposing: Strategy, asked: int, constraints: Sequence[Constraint], title: str
    ) -> "pd.DataFrame":
        setup, total = self.setup, asked * self.fidelity.most
        with self.progress.task(title, total) as task, open_ledger(setup, self.folder) as ledger:
            budget = min(asked, max(_A_FEW, len(ledger))) if self.hurry else asked
            evaluations = Evaluations(self.folder, task, stage, total, setup.objective, self.fidelity)
            found = search(
                setup.space,
                self.evaluate,
                proposing,
                objectives=setup.objectives,
                costs=self.costs,
                constraints=constraints,
                budget=budget,
                batch=batch_size(setup, self.evaluate, budget),
                ledger=ledger,
                identity=identity_of(setup.config, setup.evaluator, setup.problem),
                on_result=evaluations.add,
                fidelity=self.fidelity.name,
            )
            evaluations.write()
            if evaluations.done < total:
                task.end("no time is left for more" if self.hurry else "nothing new was proposed")
            return found
