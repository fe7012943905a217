"""Slimmable networks: one network that runs at several widths."""

from nas.errors import UsageError
from nas.methods.kinds import kinds_of
from nas.methods.method import Method
from nas.problem import Problem
from nas.sampling import Slimmable
from nas.training import Phase, SupernetStep

__all__ = ["SLIMMABLE", "slimmable_paths"]


def slimmable_paths(problem: Problem, method: str, sizes: int | None = None) -> Slimmable:
    """The paths of a slimmable network.

    Args:
        method: for messages.
        sizes: how many widths a step trains besides the extremes; all by default.

    Raises:
        UsageError: the space has no choice of width, or fewer widths than a step shall train.
    """
    widths = [name for name, kind in kinds_of(problem.supernet).items() if kind == "width"]
    if not widths:
        raise UsageError(
            f"{method} needs widths to choose from, but no layer of this space has one; use another method."
        )
    return Slimmable(problem.supernet.space, widths, problem.seed, sizes)


def _phases(problem: Problem) -> list[Phase]:
    """As published each width has a batch norm of its own; here statistics are recalibrated for each candidate, as in
    universally slimmable networks, unless the space has them, see :class:`nas.nn.SwitchableBatchNorm2d`."""
    paths = slimmable_paths(problem, "slimmable")
    return [problem.phase(SupernetStep(problem.supernet, paths, [problem.loss()]))]


SLIMMABLE = Method(
    name="slimmable",
    family="nested",
    paper="Yu et al., Slimmable neural networks, 2019",
    summary="every width, the same in all layers, learns from labels in every step; no retraining",
    phases=_phases,
)
