"""The search: ask, screen, evaluate, record, tell."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nas.errors import UsageError
from nas.search.constraints import Constraint
from nas.search.criteria import Judge
from nas.search.dispatcher import Desk
from nas.search.ledger import Ledger
from nas.search.objectives import Objective
from nas.search.pool import InTurn, Measure, Pool, rows
from nas.search.strategy import Result, Strategy
from nas.space import Architecture, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["search"]

_AHEAD = 4
"""Batches asked for at a time: enough to put neighbours together, few enough that workers begin soon."""

logger = logging.getLogger(__name__)


def search(
    space: Space,
    evaluate: Measure | Pool,
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
    Nothing is evaluated twice: neither within a search, nor when the ledger knows it, nor while another process that
    shares the ledger works on it. Every batch is recorded as soon as it is evaluated.

    Whenever the pool has room the strategy is asked for more; what it proposed is told, in the order asked, when all
    of it is known. With one process a killed search that is run again with the same arguments ends with the same
    table. With several the strategies that do not listen (``random``, ``exhaustive``) still do.

    Args:
        evaluate: the expensive metrics, here or by a pool of workers; the value for one architecture must not depend
            on the others of its batch.
        strategy: a fresh one.
        costs: the cheap metrics, under other names than the expensive ones.
        constraints: on any metric, as objects or text; shares of the largest architecture on cheap metrics only.
        budget: number of distinct architectures evaluated, those that the ledger knew included.
        batch: architectures that one worker gets at a time.
        identity: evaluator, fidelity, seed and checkpoint, as in :class:`~nas.search.ledger.Key`.
        on_result: called with each evaluated result after it was recorded.
        patience: rounds of asking without a new architecture to evaluate after which the search ends.

    Returns:
        A row for each evaluated architecture in the order asked for: id, architecture (canonical JSON), metrics,
        costs, feasible, pareto (on the front of the feasible ones). Fewer than ``budget`` rows when the space, the
        strategy or the patience ended.

    Raises:
        UsageError: bad arguments, a metric that nobody measures, or not one feasible architecture.
    """
    if budget < 1 or batch < 1 or not objectives:
        raise UsageError(
            f"search has budget {budget}, batch {batch} and {len(objectives)} objectives; each must be at least 1."
        )
    judge = Judge(objectives, _resolved(constraints, space, costs))
    pool = evaluate if isinstance(evaluate, Pool) else InTurn(evaluate)
    desk = Desk(judge, pool, costs, ledger, identity, on_result)
    orders: list[list[Architecture]] = []
    fruitless, goes_on = 0, True
    while True:
        goes_on = goes_on and desk.admitted < budget and fruitless < patience and not desk.has_all(space)
        if not (goes_on or desk.is_waiting):
            break
        asked = strategy.ask(batch * min(pool.room, _AHEAD)) if goes_on and pool.room else []
        if asked:
            admitted = desk.take(asked, budget - desk.admitted, batch)
            fruitless = 0 if admitted else fruitless + 1
            orders.append(asked)
        elif desk.is_waiting or not pool.room:
            desk.collect(batch)
        else:
            goes_on = False
        orders = _tell(strategy, orders, desk)
    if desk.admitted < budget:
        logger.info("search ended after %d of %d architectures", desk.admitted, budget)
    desk.require_feasible()
    return judge.table(desk.evaluated)


def _tell(strategy: Strategy, orders: list[list[Architecture]], desk: Desk) -> list[list[Architecture]]:
    """Tells the orders of which all is known; gives the others."""
    waiting = []
    for asked in orders:
        if any(desk.awaits(architecture) for architecture in asked):
            waiting.append(asked)
        else:
            strategy.tell([desk.known[architecture] for architecture in asked if architecture in desk.known])
    return waiting


def _resolved(constraints: Sequence[Constraint | str], space: Space, costs: Measure | None) -> list[Constraint]:
    read = [Constraint.parse(constraint) if isinstance(constraint, str) else constraint for constraint in constraints]
    if not any(constraint.of_largest for constraint in read):
        return read
    if costs is None:
        raise UsageError("a constraint is a share of the largest architecture, but no costs are given to measure it.")
    (largest,) = rows(costs, [space.largest()], "costs")
    return [constraint.resolve(largest) for constraint in read]
