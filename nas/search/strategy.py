"""Which architecture next: what every strategy looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nas.space import Architecture

__all__ = ["Result", "Strategy"]


@dataclass(frozen=True)
class Result:
    """What became known about one architecture.

    Attributes:
        metrics: every known metric; only the cheap ones when it was not evaluated.
        objectives: the vector to minimise; None when it was not evaluated, or came out infinite or not a number.
        violation: 0 when feasible, else the sum of the relative violations of the constraints.
    """

    architecture: Architecture
    metrics: dict[str, float]
    objectives: tuple[float, ...] | None
    violation: float

    @property
    def feasible(self) -> bool:
        """Whether it counts: evaluated, with finite objectives, and within every constraint."""
        return self.violation <= 0 and self.objectives is not None


class Strategy(Protocol):
    """Proposes architectures and learns from results; sees architectures, never modules.

    A strategy is a pure function of its seed and of the calls so far: a fresh one that is asked for the same numbers
    and told the same results in the same order proposes the same architectures. That is how a killed search resumes.
    """

    def ask(self, n: int) -> list[Architecture]:
        """At most ``n`` proposals; none when it waits to be told more, or nothing is left to propose."""
        ...

    def tell(self, results: Sequence[Result]) -> None:
        """Takes in results, in order; they need not have been asked for."""
        ...
