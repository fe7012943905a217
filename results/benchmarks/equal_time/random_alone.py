"""One random network within the bound, trained by itself for the whole time."""

from alone import train_alone
from contests import Delivered, Problem

__all__ = ["deliver"]

_STREAM = 1
"""Of random architectures; those of the arm "spread" have another."""


def deliver(problem: Problem, stream: int = _STREAM) -> Delivered:
    architecture = problem.random(problem.seed, stream, problem.cell.draw)
    network = problem.fresh(architecture, problem.seed * 1000 + problem.cell.draw)
    steps = train_alone(network, problem, problem.seed * 1000 + problem.cell.draw)
    return Delivered(network, architecture.key, problem.flops(architecture), problem.clock.spent, {"steps": steps})
