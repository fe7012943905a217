"""The search of a run, and random draws under the same constraints to compare it with."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.files import write_file
from nas.runs.bench import COSTS, Bench
from nas.runs.folder import RunFolder
from nas.runs.ledgers import open_ledger
from nas.runs.place import batch_size
from nas.runs.progress import Progress
from nas.search import BestOnly, Constraint, Measure, Pool, Result, Strategy, search, strategy
from nas.space import Architecture
from nas.streams import Stream, derive_seed
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Searching"]

_SHARE = 0.08
"""Of the time so far that random draws may take, each as long as a candidate of the search did. They share fewer blocks
with each other, and so take longer: up to a tenth of the time."""


@dataclass(frozen=True)
class Searching:
    """What the search and the random draws have in common.

    Attributes:
        costs: everything that is known about architectures without running them.
        bounds: the constraints, those on costs absolute.
        evaluate: judges candidates by the part of the validation split that selects.
    """

    bench: Bench
    folder: RunFolder
    progress: Progress
    costs: "Callable[[Sequence[Architecture]], pd.DataFrame]"
    bounds: Sequence[Constraint]
    evaluate: Measure | Pool

    def search(self, learnt: Mapping[str, Any] | None) -> "pd.DataFrame":
        """The evaluated candidates; a strategy may follow what a differentiable method has learnt."""
        config, space = self.bench.config, self.bench.space
        budget = min(config.candidates, space.size)
        proposing = strategy(config.strategy, space, config.seed, learnt=learnt, **config.strategy_args)
        proposing = BestOnly(proposing) if self.bench.seeks_best else proposing
        return self._run(
            proposing, budget, self.bounds, f"Searching {counted(budget, 'candidate')} ({config.strategy})"
        )

    def draw(self, candidates: "pd.DataFrame") -> "pd.DataFrame":
        """Random draws under the same constraints on costs, as many as the search had candidates.

        They are fewer where the run names another number, or where they would take more than a tenth of the time so
        far. That number is kept in ``baseline.json``, so that a run that goes on draws the same.
        """
        config, space, file = self.bench.config, self.bench.space, self.folder.baseline
        if config.random_baseline is None and not file.exists():
            write_file(file, json.dumps({"draws": self._affordable(len(candidates))}))
        asked = self.folder.read(file)["draws"] if config.random_baseline is None else config.random_baseline
        budget = min(asked, space.size)
        if not budget:
            return candidates.head(0)
        on_costs = [bound for bound in self.bounds if bound.metric in COSTS]
        return self._run(
            strategy("random", space, derive_seed(config.seed, Stream.BASELINE)),
            budget,
            on_costs,
            f"Evaluating {counted(budget, 'random candidate')}",
        )

    def _affordable(self, candidates: int) -> int:
        seconds = self.folder.read(self.folder.origin)["seconds"]
        each = seconds["search"] / candidates
        return candidates if not each else min(candidates, max(1, int(_SHARE * sum(seconds.values()) / each)))

    def _run(self, proposing: Strategy, budget: int, constraints: Sequence[Constraint], title: str) -> "pd.DataFrame":
        bench = self.bench
        with self.progress.task(title, budget) as task, open_ledger(bench, self.folder) as ledger:
            count = iter(range(1, budget + 1))

            def report(_: Result) -> None:
                self.folder.started.keep_seconds()
                task.update(next(count))

            return search(
                bench.space,
                self.evaluate,
                proposing,
                objectives=bench.objectives,
                costs=self.costs,
                constraints=constraints,
                budget=budget,
                batch=batch_size(self.evaluate, budget),
                ledger=ledger,
                identity=(bench.evaluator.name, self._fidelity(), bench.config.seed, self._checkpoint()),
                on_result=report,
            )

    def _fidelity(self) -> str:
        settings, data = self.bench.config.evaluation, self.bench.data
        return (
            f"{len(data.validation)} {data.examples} of the validation split, calibrated on "
            f"{settings.calibration_images} in batches of {settings.batch_size}"
        )

    def _checkpoint(self) -> str:
        """A digest of the trained weights, which the ledger's results belong to."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.bench.searched.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().numpy().tobytes())
        return digest.hexdigest()[:16]
