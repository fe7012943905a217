"""How the proposals of a search become results: screened, looked up in the ledger, evaluated, recorded."""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from nas.errors import UsageError
from nas.search.constraints import NothingFeasibleError, check_feasible
from nas.search.criteria import Criteria
from nas.search.ledger import Entry, Ledger, ResultIdentity, ResultKey
from nas.search.pool import Metrics, Pool, RowsFunction, metrics_of
from nas.search.strategy import Result
from nas.space import Architecture, Space
from nas.wording import counted

__all__ = ["Dispatcher"]

_POLL_SECONDS = 0.5


class Dispatcher:
    """Has each proposed architecture evaluated once, and holds all results of a search.

    Args:
        pool: evaluates what the ledger has no result of and no other process has claimed.
        costs: the cheap metrics.
        identity: of the results in the ledger.
        batch: number of architectures that a worker gets at a time.
        on_result: called with each result of an evaluation after it was recorded.

    Attributes:
        results: of what was evaluated, and of what was not because its costs violate a constraint.
        spent: what all that is evaluated or being evaluated takes of the budget: epochs, or one each.
    """

    def __init__(
        self,
        criteria: Criteria,
        pool: Pool,
        costs: RowsFunction | None,
        ledger: Ledger | None,
        identity: ResultIdentity,
        batch: int,
        on_result: Callable[[Result], None] | None = None,
    ) -> None:
        self.results: dict[Architecture, Result] = {}
        self.spent = 0
        self._criteria, self._pool, self._costs = criteria, pool, costs
        self._ledger, self._identity, self._batch, self._on_result = ledger, identity, batch, on_result
        self._accepted: dict[Architecture, dict[str, float]] = {}
        """What is evaluated or being evaluated, in the order proposed, with its costs."""
        self._running: set[Architecture] = set()
        self._claimed_elsewhere: set[Architecture] = set()

    @property
    def is_evaluating(self) -> bool:
        """Whether anything is being evaluated, here or by another process."""
        return bool(self._running or self._claimed_elsewhere)

    @property
    def evaluated(self) -> list[Result]:
        """The results of evaluations, in the order proposed."""
        return [self.results[architecture] for architecture in self._accepted if architecture in self.results]

    def is_pending(self, architecture: Architecture) -> bool:
        """Whether the architecture is being evaluated, here or by another process."""
        return architecture in self._running or architecture in self._claimed_elsewhere

    def has_seen_all(self, space: Space) -> bool:
        """Whether every architecture of the space has a result or is being evaluated."""
        return len(self.results) + len(self._running) + len(self._claimed_elsewhere) == space.size

    def submit(self, proposals: Sequence[Architecture], limit: int) -> int:
        """Has new proposals evaluated whose costs violate no constraint, as far as the budget that is left allows.

        Args:
            limit: what they may take of the budget together.

        Returns:
            How many these are.
        """
        new = [each for each in dict.fromkeys(proposals) if each not in self.results and each not in self._accepted]
        costs = metrics_of(self._costs, new, "costs") if self._costs and new else [{} for _ in new]
        screened = [self._criteria.screen(architecture, row) for architecture, row in zip(new, costs, strict=True)]
        self.results.update({result.architecture: result for result in screened if result.violation})
        fitting = [result for result in screened if not result.violation]
        prices = itertools.accumulate(self._criteria.fidelity.epochs(result.architecture) for result in fitting)
        accepted = [result for result, price in zip(fitting, prices, strict=True) if price <= limit]
        self.spent += sum(self._criteria.fidelity.epochs(result.architecture) for result in accepted)
        self._accepted |= {result.architecture: result.metrics for result in accepted}
        self._evaluate(self._reuse_results([result.architecture for result in accepted]))
        return len(accepted)

    def collect(self) -> None:
        """Waits for results of this or of another process; evaluates what another process has given up."""
        if self._claimed_elsewhere and not self._running:
            time.sleep(_POLL_SECONDS)
        self._record(self._pool.collect(_POLL_SECONDS if self._claimed_elsewhere else None))
        if self._claimed_elsewhere:
            awaited = [architecture for architecture in self._accepted if architecture in self._claimed_elsewhere]
            self._claimed_elsewhere.clear()
            self._evaluate(self._reuse_results(awaited))

    def require_feasible(self) -> None:
        """Raises a NothingFeasibleError that names the nearest value if nothing feasible was found."""
        import pandas as pd

        evaluated = self.evaluated
        if any(result.usable for result in evaluated):
            return
        if any(result.feasible for result in evaluated):
            trainings, epochs = counted(len(evaluated), "training"), self._criteria.fidelity.most
            raise NothingFeasibleError(f"none of the {trainings} was of all {epochs} epochs; evaluate more candidates.")
        if not self.results:
            raise NothingFeasibleError("the strategy proposed no architecture; see what its ask gives.")
        tried = pd.DataFrame([result.metrics for result in (evaluated or self.results.values())])
        check_feasible([each for each in self._criteria.constraints if each.metric in tried], tried)
        raise NothingFeasibleError(
            f"none of the {counted(len(tried), 'architecture')} tried has finite objectives "
            f"({', '.join(map(str, self._criteria.objectives))}); fix the evaluator"
            f"{'' if self._ledger is None else ', and search under another name, since what it gave is kept'}."
        )

    def _reuse_results(self, architectures: list[Architecture]) -> list[Architecture]:
        """Reuses the results that the ledger has; returns the architectures without one."""
        if self._ledger is None or not architectures:
            return architectures
        self._ledger.refresh()
        missing = []
        for architecture in architectures:
            metrics = self._ledger.get(self._key(architecture))
            if metrics is None:
                missing.append(architecture)
            else:
                self._add_result(architecture, metrics)
        return missing

    def _evaluate(self, architectures: list[Architecture]) -> None:
        """Submits what no other process has claimed, in batches.

        These follow the order of the architectures' keys, so that architectures that begin alike share a batch.
        """
        if self._ledger is not None and architectures:
            claimed = self._ledger.claim(map(self._key, architectures))
            self._claimed_elsewhere.update(each for each in architectures if self._key(each) not in claimed)
            architectures = [each for each in architectures if self._key(each) in claimed]
        if len(architectures) > self._batch:
            architectures = sorted(architectures, key=lambda architecture: architecture.key)
        for start in range(0, len(architectures), self._batch):
            self._pool.submit(architectures[start : start + self._batch])
        self._running.update(architectures)

    def _record(self, evaluated: Iterable[tuple[Architecture, Metrics]]) -> None:
        """Writes new results to the ledger; if another process was faster, its result counts."""
        found = dict(evaluated)
        for architecture, metrics in found.items():
            if shared := sorted(metrics.keys() & self._accepted[architecture].keys()):
                raise UsageError(f"metric '{shared[0]}' is given by both evaluate and costs; rename one of them.")
        if self._ledger is not None and found:
            self._ledger.extend([self._entry(architecture, metrics) for architecture, metrics in found.items()])
        for architecture in [each for each in self._accepted if each in found]:
            self._running.discard(architecture)
            recorded = self._ledger.get(self._key(architecture)) if self._ledger is not None else None
            self._add_result(architecture, found[architecture] if recorded is None else recorded)

    def _add_result(self, architecture: Architecture, metrics: Mapping[str, float]) -> None:
        result = self._criteria.assess(architecture, {**metrics, **self._accepted[architecture]})
        self.results[architecture] = result
        if self._on_result is not None:
            self._on_result(result)

    def _entry(self, architecture: Architecture, metrics: Metrics) -> Entry:
        costs = self._accepted[architecture]
        violations = self._criteria.violations({**metrics, **costs})
        return Entry(self._key(architecture), architecture, metrics, costs, violations)

    def _key(self, architecture: Architecture) -> ResultKey:
        return ResultKey(architecture.key, self._identity)
