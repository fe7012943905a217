"""Trainings whose space is cut: how long each level is, and what its banks begin with."""

from collections.abc import Callable, Sequence
from typing import Any

from nas.methods.bank_steps import BankSteps
from nas.problem import Problem
from nas.sampling import InRegions
from nas.sharing import Partition
from nas.streams import Stream
from nas.training import BatchStream, Cut, FreshBanks, GradientDistances, Phase, Restart, SupernetStep, with_cuts

__all__ = ["in_levels"]


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
) -> list[Phase]:
    """One uniform path a step, in one bank after another; levels as of :func:`nas.training.with_cuts`.

    Args:
        cut: made of the distances by which it may go.
        scheme: of the supernet.
        repeats: how many batches gradients are compared on.
        shares: of the epochs, after which the space is cut.
        banks: how many each level has.
        steps: whether all banks of a level together take its epochs, or each of them as many.
        restart: where banks begin anew.
    """
    supernet, seed, size, objective = problem.supernet, problem.seed, problem.recipe.batch_size, [problem.loss()]
    batches = BatchStream(problem.data.train, size, (seed, Stream.GRADIENT_BATCHES), problem.augment)
    distances = GradientDistances(supernet, scheme, objective, batches, seed, repeats)
    phase = problem.phase(SupernetStep(supernet, InRegions(scheme, seed), objective))
    return with_cuts(
        phase,
        shares,
        cut(distances),
        times=banks if steps == "per-bank" else (),
        fresh=FreshBanks(supernet, scheme, seed),
        restart=restart,
    )
