"""How much of the time that a run was given is left."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Deadline", "Timetable"]


class Deadline:
    """Counts down from when the command began; what earlier, killed attempts took counts too.

    Args:
        seconds: given to the run.
        clock: :func:`time.perf_counter`, or :func:`time.process_time`.
        begun: what the clock showed when the command began.
        spent: by earlier attempts.
    """

    def __init__(self, seconds: float, clock: Callable[[], float], begun: float, spent: float = 0.0) -> None:
        self.seconds, self.clock = seconds, clock
        self._end = begun + seconds - spent

    @property
    def left(self) -> float:
        """Seconds, not below 0."""
        return max(0.0, self._end - self.clock())

    def end(self) -> None:
        """Ends it now."""
        self._end = min(self._end, self.clock())


@dataclass(frozen=True)
class Timetable:
    """What has to be left of the time at which point of a run; in seconds.

    Attributes:
        deadline: of the run.
        after_training: has to be left for what comes after the training of the supernet.
        ending: has to be left for what comes after the last round.
    """

    deadline: Deadline
    after_training: float
    ending: float

    @property
    def training_is_late(self) -> bool:
        """Whether the training of the supernet has to end now."""
        return self.deadline.left < self.after_training

    @property
    def last_round(self) -> float:
        """Seconds that the last round may still take."""
        return max(0.0, self.deadline.left - self.ending)
