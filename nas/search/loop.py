"""The search: ask a strategy for architectures, evaluate them, tell it the results."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nas.errors import UsageError
from nas.search.arguments import as_constraints, as_costs, as_objectives, as_strategy
from nas.search.constraints import Constraint
from nas.search.criteria import Criteria
from nas.search.dispatcher import Dispatcher
from nas.search.ledger import Ledger, ResultIdentity
from nas.search.objectives import Objective
from nas.search.pool import Pool, RowsFunction, SerialPool, metrics_of
from nas.search.strategy import Result, Strategy
from nas.space import Architecture, Fidelity, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["search"]

_BATCHES_AHEAD = 4
"""At most so many batches are asked for at once: enough to put similar architectures into the same batch, few enough
that workers start soon."""

logger = logging.getLogger(__name__)


def search(
    space: Space,
    evaluate: RowsFunction | Pool,
    strategy: Strategy | str,
    *,
    objectives: Objective | str | Sequence[Objective | str],
    costs: RowsFunction | None = None,
    constraints: Constraint | str | Sequence[Constraint | str] = (),
    budget: int,
    batch: int = 25,
    ledger: Ledger | None = None,
    identity: ResultIdentity | None = None,
    on_result: Callable[[Result], None] | None = None,
    patience: int = 400,
    fidelity: str | None = None,
) -> "pd.DataFrame":
    """Evaluates what a strategy proposes until the budget is spent.

    Costs come first: a proposal that violates a constraint on them is not evaluated, and the strategy is told by how
    much it violates it. Nothing is evaluated twice: neither within a search, nor if the ledger has a result, nor while
    another process that shares the ledger evaluates it. Every batch is recorded as soon as it is evaluated.

    The strategy is asked for more whenever the pool has a free slot. The results of what it proposed together are told
    together, in the order proposed, once all of them are known. With one process, a killed search that is run again
    with the same arguments ends with the same table. With several processes this holds for strategies that ignore
    results (``random``, ``exhaustive``).

    Args:
        evaluate: the expensive metrics, computed in this process or by a pool of workers; those of one architecture
            must not depend on the others of its batch. A function of a list of architectures that gives a table, or a
            list of mappings or of numbers, which then are the first objective.
        strategy: a fresh one, or the name of one with seed 0.
        objectives: one or several, as objects or text such as "maximise accuracy".
        costs: the cheap metrics, whose names must differ from those of the expensive ones; also a
            :class:`nas.costs.StaticCosts`.
        constraints: on any metric, as objects or text; shares of the largest architecture on cheap metrics only.
        budget: number of distinct architectures to evaluate, including those whose results the ledger has; with a
            ``fidelity`` as many epochs as so many whole trainings have.
        batch: number of architectures that a worker gets at a time.
        identity: what results in the ledger must agree in, besides the architecture, to be reused.
        on_result: called with each result of an evaluation after it was recorded.
        patience: rounds of proposals in a row with nothing new to evaluate, after which the search ends.
        fidelity: the choice of the space that says for how many epochs an architecture is trained, if there is one.
            Those that are trained for fewer than others may be are no end of a search, so ``feasible`` is False.

    Returns:
        A row for each evaluated architecture in the order proposed: id, architecture (canonical JSON), metrics, costs,
        feasible, pareto (on the front of the feasible ones). Fewer than ``budget`` rows if the space, the strategy or
        the patience is exhausted before.

    Raises:
        NothingFeasibleError: no feasible architecture at all.
        UsageError: bad arguments, or a metric that nothing computes.

    >>> space = Space({"depth": [1, 2, 3], "width": [8, 16]})
    >>> table = search(
    ...     space, lambda some: [each["depth"] * each["width"] for each in some], "random",
    ...     objectives="maximise size", budget=6,
    ... )
    >>> table["size"].max()
    np.float64(48.0)
    """
    if budget < 1 or batch < 1:
        raise UsageError(f"search has budget {budget} and batch {batch}; each must be at least 1.")
    objectives, costs = as_objectives(objectives), as_costs(costs)
    strategy = as_strategy(strategy, space, fidelity, costs)
    bounds = _resolved(as_constraints(constraints), space, costs)
    criteria = Criteria(objectives, bounds, Fidelity.of(space, fidelity))
    pool = evaluate if isinstance(evaluate, Pool) else SerialPool(evaluate, alone=objectives[0].metric)
    dispatcher = Dispatcher(criteria, pool, costs, ledger, identity or ResultIdentity(), batch, on_result)
    affordable = budget * criteria.fidelity.most
    unfinished: list[list[Architecture]] = []
    rounds_without_new, strategy_exhausted = 0, False
    while True:
        may_ask = (
            not strategy_exhausted
            and rounds_without_new < patience
            and dispatcher.spent < affordable
            and not dispatcher.has_seen_all(space)
        )
        if not may_ask and not dispatcher.is_evaluating:
            break
        slots = min(pool.free_slots, _BATCHES_AHEAD) if may_ask else 0
        proposals = strategy.ask(slots * batch) if slots else []
        if proposals:
            accepted = dispatcher.submit(proposals, limit=affordable - dispatcher.spent)
            rounds_without_new = 0 if accepted else rounds_without_new + 1
            unfinished.append(proposals)
        elif dispatcher.is_evaluating or not pool.free_slots:
            dispatcher.collect()
        else:
            strategy_exhausted = True
        unfinished = _tell_finished(strategy, unfinished, dispatcher)
    if dispatcher.spent < affordable:
        unit = "architectures" if fidelity is None else "epochs"
        logger.info("search ended after %d of %d %s", dispatcher.spent, affordable, unit)
    dispatcher.require_feasible()
    return criteria.table(dispatcher.evaluated)


def _tell_finished(
    strategy: Strategy, proposed: list[list[Architecture]], dispatcher: Dispatcher
) -> list[list[Architecture]]:
    """Tells the results of every list of proposals that is wholly evaluated; returns the other lists."""
    unfinished = []
    for proposals in proposed:
        if any(map(dispatcher.is_pending, proposals)):
            unfinished.append(proposals)
        else:
            strategy.tell([dispatcher.results[each] for each in proposals if each in dispatcher.results])
    return unfinished


def _resolved(constraints: list[Constraint], space: Space, costs: RowsFunction | None) -> list[Constraint]:
    """The constraints with absolute bounds."""
    if not any(constraint.of_largest for constraint in constraints):
        return constraints
    if costs is None:
        raise UsageError("a constraint is a share of the largest architecture, but no costs are given to compute it.")
    (largest,) = metrics_of(costs, [space.largest()], "costs")
    return [constraint.resolve(largest) for constraint in constraints]
