"""Evolution that never holds a member whose costs are too high."""

from nas.search.evolution import Evolution
from nas.search.strategy import Result

__all__ = ["EarlyExit"]


class EarlyExit(Evolution):
    """Evolution whose population holds none that violates a constraint on costs (EEEA-Net, Termritthikun et al., 2021).

    The first population is drawn until it is full of architectures within the constraints, and children beyond them are
    dropped; costs are known before anything is evaluated. Published is a bound on parameters, and a ranking by several
    objectives, as here where a search is for a front. :class:`~nas.search.evolution.Evolution` keeps violators until
    it knows enough others, so as to approach constraints that hardly any architecture satisfies.
    """

    def admits(self, result: Result) -> bool:
        return result.objectives is not None or result.violation <= 0
