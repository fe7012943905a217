"""What differentiable methods have in common."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nas.errors import UsageError
from nas.evaluation import SharedWeights
from nas.methods.method import Method
from nas.problem import ExpectedBudget, Problem
from nas.search import derive
from nas.sharing import Partition
from nas.space import Architecture
from nas.streams import Stream
from nas.supernet import Relaxed
from nas.supernet.relaxations import Relaxation
from nas.training import BatchStream, DerivationRule, LossTerm, Phase, RelaxedRegions, RelaxedStep, first_order
from nas.training.estimators import Estimator

__all__ = [
    "RECIPE", "budget_of", "check_one_bank", "differentiable_method", "most_likely", "relaxed_phases", "without_zero",
]  # fmt: skip

RECIPE = {"learning_rate": 0.025, "final_learning_rate": 0.001, "warmup_epochs": 0.0}
"""The weights' recipe of DARTS (Liu et al., 2019), which most others took over."""

_NO_AFFINE = {"affine": False}
"""Scales of batch norms in a mixture would work against its weights."""


def differentiable_method(
    name: str,
    *,
    paper: str,
    summary: str,
    phases: Callable[[Problem], Sequence[Phase]],
    recipe: Mapping[str, Any] | None = None,
    learning: Mapping[str, Any] | None = None,
    search_args: Mapping[str, Any] = _NO_AFFINE,
    needs_budget: bool = False,
) -> Method:
    """A method with the recipe of DARTS that retrains the derived architecture from fresh weights.

    One that needs a budget proposes several architectures, of which constraints exclude some. Others know nothing of
    costs; they propose a single architecture, without constraints.

    Args:
        recipe, learning, search_args: see :class:`~nas.methods.Method`; ``recipe`` changes the recipe of DARTS.
    """
    proposals = {"candidates": 25} if needs_budget else {"candidates": 1, "constraints": []}
    return Method(
        name=name,
        family="differentiable",
        paper=paper,
        summary=summary,
        phases=phases,
        recipe={**RECIPE, **(recipe or {})},
        learning=learning or {},
        search_args=search_args,
        needs_budget=needs_budget,
        retrain="fresh",
        settings={"strategy": "derived", **proposals},
    )


def most_likely(relaxed: Relaxed) -> Architecture:
    """The most likely option of every choice; of subsets of edges those with the largest weights.

    If there are subsets, the zero operation is never selected, since a subset removes edges already (as in the code of
    GDAS on the space of DARTS).
    """
    supernet = relaxed.supernet
    if supernet.options != supernet.space.choices:
        return without_zero(relaxed)
    return derive(supernet.space, relaxed.arrays(), options=supernet.options, within=relaxed.region)


def without_zero(relaxed: Relaxed) -> Architecture:
    """Like :func:`most_likely`, but never the zero operation (DARTS, Liu et al., 2019) where there is another."""
    supernet = relaxed.supernet
    zero = {
        name: each.is_zero
        for name, each in relaxed.decisions.items()
        if not all(each.is_zero[position] for position in relaxed.there(name))
    }
    return derive(supernet.space, relaxed.arrays(), options=supernet.options, banned=zero, within=relaxed.region)


def relaxed_phases(
    problem: Problem,
    relaxation: Relaxation,
    *,
    rule: DerivationRule,
    subsets: Relaxation | None = None,
    depths: Relaxation | None = None,
    objective: Callable[[Relaxed], Sequence[LossTerm]] | None = None,
    estimator: Estimator = first_order,
) -> list[Phase]:
    """The training of a relaxed supernet, in one phase.

    Where the sharing scheme cuts the space, every region has architecture parameters of its own.

    Args:
        relaxation: of the choices.
        rule: derives an architecture from the learnt probabilities.
        subsets, depths: relaxations of the edges that a node keeps and of depths, see :class:`nas.supernet.Relaxed`.
        objective: relaxed supernet → loss terms; those of the task by default.
        estimator: of the gradient of the architecture parameters.
    """
    supernet, scheme = problem.supernet, problem.supernet.sharing
    recipe, batches, (weight_split, architecture_split) = problem.recipe, None, problem.bilevel
    if architecture_split is not None:
        key = (problem.seed, Stream.ARCHITECTURE_BATCHES)
        batches = BatchStream(architecture_split, recipe.batch_size, key, problem.augment)

    def step(bank: int | None) -> RelaxedStep:
        relaxed = Relaxed(supernet, relaxation, problem.seed, subsets, depths, bank)
        return RelaxedStep(
            relaxed,
            problem.learning,
            objective(relaxed) if objective else [problem.loss()],
            batches,
            steps=weight_split.steps(recipe.batch_size) * recipe.epochs,
            rule=rule,
            estimator=estimator,
        )

    if not isinstance(scheme, Partition):
        return [Phase(step(None), weight_split, recipe, problem.augment)]
    regions = RelaxedRegions(scheme, [step(bank) for bank in range(scheme.banks)], partial(_best_first, problem))
    return [Phase(regions, weight_split, recipe, problem.augment)]


def check_one_bank(problem: Problem, method: str) -> None:
    """Refuses a supernet whose space is cut.

    Raises:
        UsageError: it is.
    """
    if problem.supernet.sharing.banks > 1:
        raise UsageError(
            f"method '{method}' learns the gates of one supernet, not of the regions of a space; learn them as darts, "
            "gdas or proxyless do."
        )


def _best_first(problem: Problem, architectures: Sequence[Architecture]) -> list[Architecture]:
    """By the score on the validation split with the weights that each sees; of equal ones the first."""
    evaluator = SharedWeights(problem.supernet, problem.data)
    tallies = evaluator.tallies(architectures, problem.data.validation)
    scores = {each: tally.score for each, tally in zip(architectures, tallies, strict=True)}
    return sorted(architectures, key=lambda each: -scores[each])


def budget_of(problem: Problem) -> ExpectedBudget:
    """The budget of a method that needs one whose expectation is known.

    Raises:
        UsageError: there is none.
    """
    if not isinstance(problem.budget, ExpectedBudget):
        raise UsageError(
            "this method learns to keep within an expected cost, but was given none; set Problem.budget to a "
            "nas.problem.ExpectedBudget."
        )
    return problem.budget
