"""Where the proposals of a search become results: screened, looked up, evaluated, recorded."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from nas.errors import UsageError
from nas.search.constraints import check_feasible
from nas.search.criteria import Judge
from nas.search.ledger import Entry, Key, Ledger
from nas.search.pool import Measure, Metrics, Pool, rows
from nas.search.strategy import Result
from nas.space import Architecture, Space
from nas.wording import counted

__all__ = ["Desk"]

_POLL_SECONDS = 0.5


class Desk:
    """Everything known in a search: what was rejected for its costs, is being evaluated, and was evaluated.

    Args:
        pool: evaluates what the ledger does not know and no other process has claimed.
        costs: the cheap metrics.
        identity: evaluator, fidelity, seed and checkpoint, as in :class:`~nas.search.ledger.Key`.
        on_result: called with each evaluated result after it was recorded.
    """

    def __init__(
        self,
        judge: Judge,
        pool: Pool,
        costs: Measure | None,
        ledger: Ledger | None,
        identity: tuple[str, str, int, str],
        on_result: Callable[[Result], None] | None = None,
    ) -> None:
        self.known: dict[Architecture, Result] = {}
        self._judge, self._pool, self._costs = judge, pool, costs
        self._ledger, self._identity, self._on_result = ledger, identity, on_result
        self._admitted: dict[Architecture, Result] = {}
        """In the order asked for, as screened."""
        self._elsewhere: set[Architecture] = set()
        """Claimed by other processes."""
        self._here: set[Architecture] = set()

    @property
    def admitted(self) -> int:
        """How many architectures are evaluated, or being evaluated."""
        return len(self._admitted)

    @property
    def is_waiting(self) -> bool:
        """Whether something is being evaluated, here or elsewhere."""
        return bool(self._here or self._elsewhere)

    @property
    def evaluated(self) -> list[Result]:
        """What was evaluated, in the order asked for."""
        return [self.known[architecture] for architecture in self._admitted if architecture in self.known]

    def awaits(self, architecture: Architecture) -> bool:
        """Whether the architecture is being evaluated, here or elsewhere."""
        return architecture in self._here or architecture in self._elsewhere

    def has_all(self, space: Space) -> bool:
        """Whether no architecture of the space is left to ask for."""
        return len(self.known) + len(self._here) + len(self._elsewhere) == space.size

    def take(self, asked: Sequence[Architecture], room: int, batch: int) -> int:
        """Screens proposals and has at most ``room`` of the new ones evaluated, in batches; the others are forgotten.

        Batches hold neighbours in the order of keys, so that common prefixes meet in one of them.

        Returns:
            How many were admitted.
        """
        new = [each for each in dict.fromkeys(asked) if each not in self.known and each not in self._admitted]
        costs = rows(self._costs, new, "costs") if self._costs and new else [{} for _ in new]
        screened = [self._judge.screen(architecture, row) for architecture, row in zip(new, costs, strict=True)]
        self.known.update({result.architecture: result for result in screened if result.violation})
        admitted = [result for result in screened if not result.violation][:room]
        self._admitted |= {result.architecture: result for result in admitted}
        missing = self._look_up([result.architecture for result in admitted])
        self._evaluate(missing, batch)
        return len(admitted)

    def collect(self, batch: int) -> None:
        """Waits for results, from here or from another process; what one of those gave up is evaluated here."""
        if self._elsewhere and not self._here:
            time.sleep(_POLL_SECONDS)
        self._record(self._pool.collect(_POLL_SECONDS if self._elsewhere else None))
        if self._elsewhere:
            waited_for = [architecture for architecture in self._admitted if architecture in self._elsewhere]
            self._elsewhere.clear()
            self._evaluate(self._look_up(waited_for), batch)

    def require_feasible(self) -> None:
        """Raises a UsageError that names the nearest value when nothing feasible was found."""
        import pandas as pd

        evaluated = self.evaluated
        if any(result.feasible for result in evaluated):
            return
        tried = pd.DataFrame([result.metrics for result in (evaluated or self.known.values())])
        check_feasible([c for c in self._judge.constraints if c.metric in tried], tried)
        raise UsageError(
            f"none of the {counted(len(tried), 'architecture')} tried has finite objectives "
            f"({', '.join(map(str, self._judge.objectives))}); check the evaluator."
        )

    def _look_up(self, architectures: Sequence[Architecture]) -> list[Architecture]:
        """Takes from the ledger what it knows; gives the others."""
        if self._ledger is None or not architectures:
            return list(architectures)
        self._ledger.refresh()
        missing = []
        for architecture in architectures:
            metrics = self._ledger.get(self._key(architecture))
            if metrics is None:
                missing.append(architecture)
            else:
                self._accept(architecture, metrics)
        return missing

    def _evaluate(self, missing: Sequence[Architecture], batch: int) -> None:
        """Submits those that no other process has claimed."""
        if self._ledger is not None and missing:
            claimed = self._ledger.claim([self._key(architecture) for architecture in missing])
            mine = [architecture for architecture in missing if self._key(architecture) in claimed]
            self._elsewhere.update(set(missing) - set(mine))
            missing = mine
        if len(missing) > batch:
            missing = sorted(missing, key=lambda architecture: architecture.key)
        for start in range(0, len(missing), batch):
            self._pool.submit(missing[start : start + batch])
        self._here.update(missing)

    def _record(self, evaluated: Iterable[tuple[Architecture, Metrics]]) -> None:
        """Writes new results to the ledger, which says what counts."""
        found = dict(evaluated)
        for architecture, metrics in found.items():
            if shared := sorted(metrics.keys() & self._admitted[architecture].metrics.keys()):
                raise UsageError(f"metric '{shared[0]}' is given by both evaluate and costs; rename one of them.")
        if self._ledger is not None and found:
            self._ledger.extend([self._entry(architecture, metrics) for architecture, metrics in found.items()])
        for architecture in [each for each in self._admitted if each in found]:
            self._here.discard(architecture)
            recorded = self._ledger.get(self._key(architecture)) if self._ledger is not None else None
            self._accept(architecture, found[architecture] if recorded is None else recorded)

    def _accept(self, architecture: Architecture, metrics: Mapping[str, float]) -> None:
        result = self._judge.result(architecture, {**metrics, **self._admitted[architecture].metrics})
        self.known[architecture] = result
        if self._on_result is not None:
            self._on_result(result)

    def _entry(self, architecture: Architecture, metrics: Metrics) -> Entry:
        costs = self._admitted[architecture].metrics
        violations = self._judge.violations({**metrics, **costs})
        return Entry(self._key(architecture), architecture, metrics, costs, violations)

    def _key(self, architecture: Architecture) -> Key:
        return Key(architecture.key, *self._identity)
