"""The search: ask, screen, evaluate, record, tell."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nas.errors import UsageError
from nas.search.constraints import Constraint, check_feasible
from nas.search.judge import Judge
from nas.search.ledger import Key, Ledger
from nas.search.objectives import Objective
from nas.search.strategy import Result, Strategy
from nas.space import Architecture, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Measure", "search"]

Measure = Callable[[list[Architecture]], "pd.DataFrame"]
"""Architectures → their metrics: a row each in the order given, numeric columns; other columns are ignored."""

Metrics = dict[str, float]

logger = logging.getLogger(__name__)


def search(
    space: Space,
    evaluate: Measure,
    strategy: Strategy,
    *,
    objectives: Sequence[Objective],
    costs: Measure | None = None,
    constraints: Sequence[Constraint | str] = (),
    budget: int,
    batch: int = 25,
    ledger: Ledger | None = None,
    identity: tuple[str, str, int, str] = ("", "", 0, ""),
    on_result: Callable[[Result], None] | None = None,
    patience: int = 400,
) -> "pd.DataFrame":
    """Evaluates what a strategy proposes until the budget is spent.

    Costs come first: an architecture that breaks a constraint on them is told with its violation and not evaluated.
    Nothing is evaluated twice, neither within a search nor when the ledger knows it. Every batch is recorded as soon
    as it is evaluated, so a killed search that is run again with the same arguments ends with the same table.

    Args:
        evaluate: the expensive metrics; the value for one architecture must not depend on the others of its batch.
        strategy: a fresh one.
        costs: the cheap metrics, under other names than the expensive ones.
        constraints: on any metric, as objects or text; shares of the largest architecture on cheap metrics only.
        budget: number of distinct architectures evaluated, those that the ledger knew included.
        batch: proposals asked for at a time.
        identity: evaluator, fidelity, seed and checkpoint, as in :class:`~nas.search.ledger.Key`.
        on_result: called with each evaluated result, in order, after it was recorded.
        patience: rounds without a new evaluated architecture after which the search ends.

    Returns:
        A row for each evaluated architecture in order: id, architecture (canonical JSON), metrics, costs, feasible,
        pareto (on the front of the feasible ones). Fewer than ``budget`` rows when the space, the strategy or the
        patience ended.

    Raises:
        UsageError: bad arguments, a metric that nobody measures, or not one feasible architecture.
    """
    if budget < 1 or batch < 1 or not objectives:
        raise UsageError(
            f"search has budget {budget}, batch {batch} and {len(objectives)} objectives; each must be at least 1."
        )
    judge = Judge(objectives, _resolved(constraints, space, costs))
    desk = _Desk(judge, evaluate, costs, ledger, identity)
    fruitless = 0
    while len(desk.evaluated) < budget and fruitless < patience and not desk.has_all(space):
        before = len(desk.evaluated)
        asked = strategy.ask(batch)
        if not asked:
            break
        desk.measure(asked, room=budget - before)
        new = list(desk.evaluated.values())[before:]
        fruitless = 0 if new else fruitless + 1
        if on_result:
            for result in new:
                on_result(result)
        strategy.tell([desk.known[architecture] for architecture in asked if architecture in desk.known])
    if len(desk.evaluated) < budget:
        logger.info("search ended after %d of %d architectures", len(desk.evaluated), budget)
    desk.require_feasible()
    return judge.table(desk.evaluated.values())


class _Desk:
    """Everything known in this search: what was evaluated, in order, and what was rejected for its costs."""

    def __init__(
        self,
        judge: Judge,
        evaluate: Measure,
        costs: Measure | None,
        ledger: Ledger | None,
        identity: tuple[str, str, int, str],
    ) -> None:
        self.evaluated: dict[Architecture, Result] = {}
        self.known: dict[Architecture, Result] = {}
        self._judge = judge
        self._evaluate = evaluate
        self._costs = costs
        self._ledger = ledger
        self._identity = identity

    def has_all(self, space: Space) -> bool:
        return len(self.known) == space.size

    def measure(self, asked: Sequence[Architecture], room: int) -> None:
        """Makes the asked ones known; evaluates at most ``room`` of them and leaves the others unknown."""
        new = [architecture for architecture in dict.fromkeys(asked) if architecture not in self.known]
        costs = _rows(self._costs, new, "costs") if self._costs and new else [{} for _ in new]
        screened = [self._judge.screen(architecture, row) for architecture, row in zip(new, costs, strict=True)]
        self.known.update({result.architecture: result for result in screened if result.violation})
        admitted = [result for result in screened if not result.violation][:room]
        metrics = self._recorded(admitted)
        for result in admitted:
            judged = self._judge.result(result.architecture, {**metrics[result.architecture], **result.metrics})
            self.known[result.architecture] = self.evaluated[result.architecture] = judged

    def require_feasible(self) -> None:
        """Raises a UsageError that names the nearest value when nothing feasible was found."""
        import pandas as pd

        if any(result.feasible for result in self.evaluated.values()):
            return
        tried = pd.DataFrame([result.metrics for result in (self.evaluated or self.known).values()])
        check_feasible([c for c in self._judge.constraints if c.metric in tried], tried)
        raise UsageError(
            f"none of the {len(tried):,} architectures tried has finite objectives "
            f"({', '.join(map(str, self._judge.objectives))}); check the evaluator."
        )

    def _recorded(self, admitted: Sequence[Result]) -> dict[Architecture, Metrics]:
        """The evaluated metrics of the admitted ones, from the ledger where it knows them, else new and written."""
        found: dict[Architecture, Metrics] = {}
        if self._ledger is not None:
            self._ledger.refresh()
            hits = {result.architecture: self._ledger.get(self._key(result.architecture)) for result in admitted}
            found = {architecture: metrics for architecture, metrics in hits.items() if metrics is not None}
        missing = [result for result in admitted if result.architecture not in found]
        if not missing:
            return found
        rows = _rows(self._evaluate, [result.architecture for result in missing], "evaluate")
        for result, row in zip(missing, rows, strict=True):
            if shared := sorted(row.keys() & result.metrics.keys()):
                raise UsageError(f"metric '{shared[0]}' is given by both evaluate and costs; rename one of them.")
            violations = self._judge.violations({**row, **result.metrics})
            if self._ledger is not None:
                key = self._key(result.architecture)
                self._ledger.add(key, result.architecture, row, result.metrics, violations)
            found[result.architecture] = row
        return found

    def _key(self, architecture: Architecture) -> Key:
        return Key(architecture.key, *self._identity)


def _resolved(constraints: Sequence[Constraint | str], space: Space, costs: Measure | None) -> list[Constraint]:
    read = [Constraint.parse(constraint) if isinstance(constraint, str) else constraint for constraint in constraints]
    if not any(constraint.of_largest for constraint in read):
        return read
    if costs is None:
        raise UsageError("a constraint is a share of the largest architecture, but no costs are given to measure it.")
    (largest,) = _rows(costs, [space.largest()], "costs")
    return [constraint.resolve(largest) for constraint in read]


def _rows(measure: Measure, architectures: list[Architecture], name: str) -> list[Metrics]:
    """The numeric columns of a measure, one dictionary an architecture."""
    frame = measure(architectures).select_dtypes("number")
    if len(frame) != len(architectures):
        raise UsageError(
            f"{name} gave {len(frame)} rows for {len(architectures)} architectures; expected a row each, in order."
        )
    return [{str(column): float(value) for column, value in row.items()} for row in frame.to_dict("records")]
