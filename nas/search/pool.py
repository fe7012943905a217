"""Who evaluates: this process, or many."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nas.errors import UsageError
from nas.space import Architecture
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluated", "InTurn", "Measure", "Metrics", "Pool", "rows"]

Measure = Callable[[list[Architecture]], "pd.DataFrame"]
"""Architectures → their metrics: a row each in the order given, numeric columns; other columns are ignored."""

Metrics = dict[str, float]

Evaluated = tuple[Architecture, Metrics]


@runtime_checkable
class Pool(Protocol):
    """Evaluates batches of architectures, several at a time; none is lost, and each comes back once."""

    @property
    def room(self) -> int:
        """How many more batches it can use now; more than that wait."""

    def submit(self, batch: Sequence[Architecture]) -> None:
        """Has a batch evaluated, all of it by one worker."""

    def collect(self, seconds: float | None = None) -> list[Evaluated]:
        """Waits until a batch is done or there is more room, at most so long if told; what is done, in any order."""


class InTurn:
    """This process as a pool: one batch at a time, evaluated when it is collected.

    Args:
        called: the evaluator in messages.
    """

    def __init__(self, evaluate: Measure, called: str = "evaluate") -> None:
        self._evaluate, self._called = evaluate, called
        self._waiting: list[list[Architecture]] = []

    @property
    def room(self) -> int:
        return 0 if self._waiting else 1

    def submit(self, batch: Sequence[Architecture]) -> None:
        self._waiting.append(list(batch))

    def collect(self, seconds: float | None = None) -> list[Evaluated]:
        if not self._waiting:
            return []
        batch = self._waiting.pop(0)
        return list(zip(batch, rows(self._evaluate, batch, self._called), strict=True))


def rows(measure: Measure, architectures: list[Architecture], name: str) -> list[Metrics]:
    """The numeric columns of a measure, one dictionary an architecture.

    Raises:
        UsageError: it gives no table, or another number of rows.
    """
    import pandas as pd

    table = measure(architectures)
    if not isinstance(table, pd.DataFrame):
        raise UsageError(
            f"{name} gave a {type(table).__name__}; expected a pandas.DataFrame with a row each, in order."
        )
    frame = table.select_dtypes("number")
    if len(frame) != len(architectures):
        gave = f"{counted(len(frame), 'row')} for {counted(len(architectures), 'architecture')}"
        raise UsageError(f"{name} gave {gave}; expected a row each, in order.")
    return [{str(column): float(value) for column, value in row.items()} for row in frame.to_dict("records")]
