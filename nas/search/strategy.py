"""The interface of search strategies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nas.space import Architecture

__all__ = ["Result", "Strategy"]


@dataclass(frozen=True)
class Result:
    """The result of one architecture.

    Attributes:
        metrics: all metrics, only the cheap ones if it was not evaluated.
        objectives: the vector to minimise; None if it was not evaluated or is not finite.
        violation: 0 if feasible, else the sum of the relative violations of the constraints.
        is_whole: False if it was trained for fewer epochs than architectures may be.
    """

    architecture: Architecture
    metrics: dict[str, float]
    objectives: tuple[float, ...] | None
    violation: float
    is_whole: bool = True

    @property
    def feasible(self) -> bool:
        """Whether it was evaluated, has finite objectives and satisfies every constraint."""
        return self.violation <= 0 and self.objectives is not None

    @property
    def usable(self) -> bool:
        """Whether it is feasible and trained for all epochs, so that a search may end with it."""
        return self.feasible and self.is_whole

    @property
    def was_screened_out(self) -> bool:
        """Whether it was not evaluated, since its costs violate a constraint."""
        return self.objectives is None and math.isfinite(self.violation)


class Strategy(Protocol):
    """Proposes architectures and learns from their results; it never sees modules.

    A strategy is a pure function of its seed and of the calls so far: a new one that is asked for the same numbers of
    proposals and told the same results in the same order proposes the same architectures. Thus a killed search can be
    resumed.
    """

    def ask(self, n: int) -> list[Architecture]:
        """At most ``n`` proposals; none if it waits for results, or nothing is left to propose."""
        ...

    def tell(self, results: Sequence[Result]) -> None:
        """Learns from results, in order; these may be of architectures that it has not proposed."""
        ...
