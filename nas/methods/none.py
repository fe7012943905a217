"""No training: what there is of weights is searched as it is."""

from nas.methods.method import Method
from nas.problem import Problem
from nas.training import Phase

__all__ = ["NONE"]


def _phases(problem: Problem) -> list[Phase]:
    """None."""
    return []


NONE = Method(
    name="none",
    family="none",
    paper="Li et al., Pruning filters for efficient ConvNets, 2017",
    summary="no training: subnets of pretrained weights with recalibrated batch norms, as pruning begins; a baseline",
    phases=_phases,
    trains=False,
)
