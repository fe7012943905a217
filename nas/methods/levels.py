"""Trainings whose space is cut: how long each level is, what its banks begin with, and whether they learn gates."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

from nas.errors import UsageError
from nas.methods import METHODS
from nas.methods.bank_steps import BankSteps
from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import InRegions
from nas.sharing import Partition
from nas.streams import Stream
from nas.training import (
    BatchStream,
    Cut,
    FreshBanks,
    GradientDistances,
    Phase,
    RelaxedRegions,
    Restart,
    SupernetStep,
    with_cuts,
)

__all__ = ["LearntIn", "in_levels", "with_gates"]

LearntIn = Literal["all", "last"]
"""In which levels architecture parameters learn."""


def in_levels(
    problem: Problem,
    cut: Callable[[GradientDistances], Cut[Any]],
    scheme: Partition,
    *,
    repeats: int,
    shares: Sequence[float],
    banks: Sequence[int],
    steps: BankSteps,
    restart: Restart,
    gates: Method | None = None,
    learnt_in: LearntIn = "all",
) -> list[Phase]:
    """One path or one mixture a step, in one bank after another; levels as of :func:`nas.training.with_cuts`.

    Args:
        cut: made of the distances by which it may go.
        scheme: of the supernet.
        repeats: how many batches gradients are compared on.
        shares: of the epochs, after which the space is cut.
        banks: how many each level has.
        steps: whether all banks of a level together take its epochs, or each of them as many.
        restart: where banks begin anew.
        gates: the method by which regions learn gates; paths are uniform without.
        learnt_in: in which levels they do.

    Raises:
        UsageError: gates are learnt, but not as regions can learn them.
    """
    supernet, seed, objective, variants = problem.supernet, problem.seed, [problem.loss()], None
    if gates is None:
        phase = problem.phase(SupernetStep(supernet, InRegions(scheme, seed), objective))
    else:
        times = _steps_of_a_region(shares, banks, steps, learnt_in)
        learning = problem.learning.model_copy(update={"reach": problem.learning.reach / times})
        phase, regions = _mixtures(replace(problem, learning=learning), scheme, gates)
        variants = regions.variants
    batches = BatchStream(phase.data, problem.recipe.batch_size, (seed, Stream.GRADIENT_BATCHES), problem.augment)
    levels = with_cuts(
        phase,
        shares,
        cut(GradientDistances(supernet, scheme, objective, batches, seed, repeats, variants)),
        times=banks if steps == "per-bank" else (),
        fresh=FreshBanks(supernet, scheme, seed),
        restart=restart,
    )
    if gates is not None and learnt_in == "last":
        for step in regions.steps:
            step.first_phase = len(levels) - 1
    return levels


def with_gates(method: Method, name: str, levels: Callable[..., list[Phase]], *, family: str, paper: str) -> Method:
    """A method that cuts the space, whose regions learn gates as a differentiable method does.

    Args:
        method: that trains single paths.
        name: of the differentiable method, whose recipe, derivation and retraining it takes over.
        levels: (problem, steps, restart, differentiable method, learnt_in) → its phases.
        family, paper: of the method that is made, which lists of methods read where it is called.

    Raises:
        UsageError: the other method is not known, or learns no gates.
    """
    base: Method = METHODS[name]
    if base.family != "differentiable":
        raise UsageError(
            f"method '{method.name}:{name}' is to learn gates, but '{name}' learns none; name a differentiable "
            f"method, as in {method.name}:darts."
        )

    def phases(
        problem: Problem, steps: BankSteps = "total", restart: Restart = "none", learnt_in: LearntIn = "all"
    ) -> list[Phase]:
        return levels(problem, steps, restart, base, learnt_in)

    return replace(
        base,
        name=f"{method.name}:{name}",
        family=family,
        paper=f"{paper}; {base.paper}",
        summary=f"{base.summary}; the space is cut as by {method.name}, and each part learns its own",
        phases=phases,
        fewest_epochs=method.fewest_epochs,
        sharing=method.sharing,
    )


def _mixtures(problem: Problem, scheme: Partition, gates: Method) -> tuple[Phase, RelaxedRegions]:
    """The training of all regions' gates in one phase."""
    supernet = problem.supernet
    for name in scheme.named:
        if supernet.options[name] != supernet.space.choices[name]:
            raise UsageError(
                f"sharing_args.choices names '{name}', but gates weigh the elements of this subset, not its "
                "candidates, so no region can hold some of them; name other choices."
            )
    phase, *others = gates.phases(problem)
    if others or not isinstance(phase.step, RelaxedRegions):
        raise UsageError(
            f"method '{gates.name}' does not learn gates in one phase, so regions cannot; use another, such as darts."
        )
    return phase, phase.step


def _steps_of_a_region(shares: Sequence[float], banks: Sequence[int], steps: BankSteps, learnt_in: LearntIn) -> float:
    """In how many steps the gates of a region learn, with those that it inherits, for each one of the whole space."""
    lengths = [end - start for start, end in pairwise([0.0, *shares, 1.0])]
    taken = [length if steps == "per-bank" else length / count for length, count in zip(lengths, banks, strict=True)]
    return taken[-1] if learnt_in == "last" else sum(taken)
