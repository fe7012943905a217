"""Cheaper steps at first and larger batches at last, around what a method does by itself."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from nas.errors import UsageError
from nas.problem import Problem
from nas.sampling import Uniform
from nas.space import ArchitectureSet, Samplable
from nas.training import Phase, SupernetStep

__all__ = ["in_stages"]


def in_stages(
    problem: Problem,
    phase: Phase,
    *,
    largest_first: float = 0.0,
    single_paths: float = 0.0,
    double_batches: float = 0.0,
) -> list[Phase]:
    """A phase in stages of one recipe: optimiser and learning rate go on from each to the next.

    Stages are rounded to whole epochs, so one may have none; the last has one at least.

    Args:
        phase: what the method does by itself, which is all where no share is given.
        largest_first: share of the epochs in which the largest architecture that may be drawn is trained alone: a warm
            start for all others.
        single_paths: likewise in which one uniform path a step learns from labels, after the largest alone.
        double_batches: likewise at the end, in which batches are twice as large, in place of a lower learning rate
            (Smith et al., Don't decay the learning rate, increase the batch size, 2018).

    Raises:
        UsageError: a share is negative, or they leave nothing to the method itself.
    """
    shares = {"largest_first": largest_first, "single_paths": single_paths, "double_batches": double_batches}
    if min(shares.values()) < 0 or sum(shares.values()) >= 1:
        given = ", ".join(f"{name}={share:g}" for name, share in shares.items())
        raise UsageError(
            f"shares of the epochs are {given}; let none be negative and their sum below 1, so that the method itself "
            "has some."
        )
    if not any(shares.values()):
        return [phase]
    doubled = phase.recipe.of_batches(2 * phase.recipe.batch_size)
    stages = [
        replace(phase, step=_alone(problem, ArchitectureSet([problem.drawn_from.largest()])), name="largest"),
        replace(phase, step=_alone(problem, problem.drawn_from), name="single paths"),
        replace(phase, name="all"),
        replace(phase, name="double batches", recipe=doubled),
    ]
    own = 1 - sum(shares.values())
    return _of_lengths(stages, [largest_first, single_paths, own, double_batches], phase.end)


def _alone(problem: Problem, drawn: Samplable) -> SupernetStep:
    """One path a step, which learns from labels."""
    return SupernetStep(problem.supernet, Uniform(drawn, problem.seed), [problem.loss()])


def _of_lengths(stages: Sequence[Phase], shares: Sequence[float], epochs: int) -> list[Phase]:
    """Those that have an epoch; listeners of the phase that they come from begin once, with the first."""
    last = max(number for number, share in enumerate(shares) if share)
    before_last = [min(round(epochs * total), epochs - 1) for total in accumulate(shares[:last])]
    ends = [0, *before_last, epochs]
    first, *others = [
        replace(stage, until=end)
        for stage, (start, end) in zip(stages[: last + 1], pairwise(ends), strict=True)
        if end > start
    ]
    return [first, *(replace(each, listeners=()) for each in others)]
