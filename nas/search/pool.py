"""What evaluates the proposals of a search: this process, or a pool of workers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nas.errors import UsageError
from nas.space import Architecture
from nas.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluated", "MetricFunction", "Metrics", "Pool", "RowsFunction", "SerialPool", "metrics_of"]

Metrics = dict[str, float]

MetricFunction = Callable[[list[Architecture]], "pd.DataFrame"]
"""Architectures → a row of metrics for each, in the same order; columns that are not numeric are ignored."""

RowsFunction = Callable[[list[Architecture]], "pd.DataFrame | Sequence[Mapping[str, float]] | Sequence[float]"]
"""The same, or as a list of mappings, or of numbers where it is clear which metric they are."""

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
        alone: what a number is called where it gives numbers alone.
    """

    def __init__(self, evaluate: RowsFunction, name: str = "evaluate", alone: str | None = None) -> None:
        self._evaluate, self._name, self._alone = evaluate, name, alone
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
        return list(zip(batch, metrics_of(self._evaluate, batch, self._name, self._alone), strict=True))


def metrics_of(
    function: RowsFunction, architectures: list[Architecture], name: str, alone: str | None = None
) -> list[Metrics]:
    """What a function returns as a dictionary of numbers for each architecture.

    Args:
        name: of the function in messages.
        alone: what a number is called where it gives numbers alone.

    Raises:
        UsageError: it returns something else, several columns of one name, or another number of rows.
    """
    found = function(architectures)
    rows = _rows(found, name, alone)
    if len(rows) != len(architectures):
        gave = f"{counted(len(rows), 'row')} for {counted(len(architectures), 'architecture')}"
        raise UsageError(f"{name} gave {gave}; expected a row each, in order.")
    return rows


def _rows(found: Any, name: str, alone: str | None) -> list[Metrics]:
    """The rows of a table, of a list of mappings or of a list of numbers."""
    if hasattr(found, "select_dtypes"):
        return _rows_of_table(found, name)
    several = list(found) if isinstance(found, Iterable) and not isinstance(found, str | Mapping) else []
    if several and all(isinstance(each, Mapping) for each in several):
        numbers = [{str(key): each for key, each in row.items() if isinstance(each, Real)} for row in several]
        return [{key: float(each) for key, each in row.items()} for row in numbers]
    if several and alone is not None and all(isinstance(each, Real) for each in several):
        return [{alone: float(each)} for each in several]
    raise UsageError(
        f"{name} gave a {type(found).__name__}; expected a pandas.DataFrame or a list of mappings, with a row each, in "
        "order."
    )


def _rows_of_table(table: "pd.DataFrame", name: str) -> list[Metrics]:
    frame = table.select_dtypes("number").rename(columns=str)
    if repeated := list(frame.columns[frame.columns.duplicated()]):
        raise UsageError(f"{name} gave several columns '{repeated[0]}'; give each another name.")
    return [{str(column): float(value) for column, value in row.items()} for row in frame.to_dict("records")]
