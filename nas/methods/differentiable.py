"""The parts that differentiable methods have in common."""

from collections.abc import Callable, Sequence

from nas.errors import UsageError
from nas.problem import Budget, Problem
from nas.search import derive
from nas.space import Architecture
from nas.streams import Stream
from nas.supernet import Relaxed
from nas.supernet.relaxations import Relaxation
from nas.training import BatchStream, LossTerm, Phase, RelaxedStep, Rule, first_order
from nas.training.estimators import Estimator

__all__ = ["RECIPE", "SEARCH_ARGS", "SETTINGS", "budget_of", "most_likely", "relaxed_phases", "without_zero"]

RECIPE = {"learning_rate": 0.025, "final_learning_rate": 0.001, "warmup_epochs": 0.0}
"""The weights' recipe of DARTS (Liu et al., 2019), which most others took over."""

SEARCH_ARGS = {"affine": False}
"""Batch norm of a mixture has no scale of its own, which would work against its weight."""

SETTINGS = {"strategy": "derived", "candidates": 1, "constraints": []}
"""A method that knows nothing of costs proposes one architecture, which no constraint may refuse."""


def most_likely(relaxed: Relaxed) -> Architecture:
    """The most likely option of every choice; of edges to keep those of the largest weights.

    Where subsets say which edges are kept, an operation that passes nothing on would leave an edge out twice: there it
    is never taken (as in the code of GDAS on the space of DARTS).
    """
    supernet = relaxed.supernet
    if supernet.options != supernet.space.choices:
        return without_zero(relaxed)
    return derive(supernet.space, relaxed.arrays(), options=supernet.options)


def without_zero(relaxed: Relaxed) -> Architecture:
    """Like :func:`most_likely`, but never an operation that passes nothing on (DARTS, Liu et al., 2019)."""
    supernet = relaxed.supernet
    zero = {name: each.is_zero for name, each in relaxed.decisions.items()}
    return derive(supernet.space, relaxed.arrays(), options=supernet.options, banned=zero)


def relaxed_phases(
    problem: Problem,
    relaxation: Relaxation,
    *,
    rule: Rule,
    subsets: Relaxation | None = None,
    depths: Relaxation | None = None,
    objective: Callable[[Relaxed], Sequence[LossTerm]] | None = None,
    estimator: Estimator = first_order,
) -> list[Phase]:
    """The training of a relaxed supernet, in one phase.

    Args:
        relaxation: of the choices.
        rule: which architecture the learnt probabilities stand for.
        subsets, depths: of which edges a node keeps, and of depths, see :class:`nas.supernet.Relaxed`.
        objective: relaxed supernet → loss terms; those of the task by default.
        estimator: of the gradient of the architecture parameters.
    """
    relaxed = Relaxed(problem.supernet, relaxation, problem.seed, subsets, depths)
    recipe, stream, (weights, own) = problem.recipe, None, problem.bilevel
    if own is not None:
        stream = BatchStream(own, recipe.batch_size, (problem.seed, Stream.ARCHITECTURE_BATCHES), problem.augment)
    step = RelaxedStep(
        relaxed,
        problem.learning,
        objective(relaxed) if objective else [problem.loss()],
        stream,
        steps=weights.steps(recipe.batch_size) * recipe.epochs,
        rule=rule,
        estimator=estimator,
    )
    return [Phase(step, weights, recipe, problem.augment)]


def budget_of(problem: Problem) -> Budget:
    """The budget that the method was promised.

    Raises:
        UsageError: there is none.
    """
    if problem.budget is None:
        raise UsageError("this method learns to keep a cost, but was given none; set Problem.budget.")
    return problem.budget
