"""What evaluates the proposals of a search: this process, or a pool of workers."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nas.errors import UsageError
from nas.space import Architecture
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluated", "MetricFunction", "Metrics", "Pool", "SerialPool", "metrics_of"]

MetricFunction = Callable[[list[Architecture]], "pd.DataFrame"]
"""Architectures → a row of metrics for each, in the same order; columns that are not numeric are ignored."""

Metrics = dict[str, float]

Evaluated = tuple[Architecture, Metrics]


@runtime_checkable
class Pool(Protocol):
    """Evaluates batches of architectures, several at a time; every architecture is returned exactly once."""

    @property
    def free_slots(self) -> int:
        """How many more batches can be evaluated now; further ones are queued."""

    def submit(self, batch: Sequence[Architecture]) -> None:
        """Has a batch evaluated by one worker."""

    def collect(self, seconds: float | None = None) -> list[Evaluated]:
        """Waits until a batch is done or a slot becomes free, at most ``seconds``; what is done, in any order."""


class SerialPool:
    """Evaluates one batch at a time in this process, when it is collected.

    Args:
        name: of the evaluator in messages.
    """

    def __init__(self, evaluate: MetricFunction, name: str = "evaluate") -> None:
        self._evaluate, self._name = evaluate, name
        self._queue: list[list[Architecture]] = []

    @property
    def free_slots(self) -> int:
        return 0 if self._queue else 1

    def submit(self, batch: Sequence[Architecture]) -> None:
        self._queue.append(list(batch))

    def collect(self, seconds: float | None = None) -> list[Evaluated]:
        if not self._queue:
            return []
        batch = self._queue.pop(0)
        return list(zip(batch, metrics_of(self._evaluate, batch, self._name), strict=True))


def metrics_of(function: MetricFunction, architectures: list[Architecture], name: str) -> list[Metrics]:
    """The numeric columns of what a function returns, as a dictionary for each architecture.

    Args:
        name: of the function in messages.

    Raises:
        UsageError: it returns something other than a table, several columns of one name, or another number of rows.
    """
    import pandas as pd

    table = function(architectures)
    if not isinstance(table, pd.DataFrame):
        raise UsageError(
            f"{name} gave a {type(table).__name__}; expected a pandas.DataFrame with a row each, in order."
        )
    frame = table.select_dtypes("number").rename(columns=str)
    if repeated := list(frame.columns[frame.columns.duplicated()]):
        raise UsageError(f"{name} gave several columns '{repeated[0]}'; give each another name.")
    if len(frame) != len(architectures):
        gave = f"{counted(len(frame), 'row')} for {counted(len(architectures), 'architecture')}"
        raise UsageError(f"{name} gave {gave}; expected a row each, in order.")
    return [{str(column): float(value) for column, value in row.items()} for row in frame.to_dict("records")]
