"""An evaluator that may hang: asked in a process of its own, which is ended when it takes too long."""

import math
import multiprocessing
import pickle
import sys
import weakref
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from nas.child_process import follow_parent
from nas.errors import UsageError
from nas.evaluation.each_alone import EachAlone
from nas.space import Architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TimeLimit"]

_START_SECONDS = 120.0


class TimeLimit:
    """Asks an own function, one architecture after another, and gives up on one that takes too long.

    That architecture has NaN for every metric, so a search counts it as one that cannot be used. The function works in
    another process, since nothing else ends code that never returns.

    Args:
        evaluator: asks the function.
        seconds: that it may take for one architecture.
        metrics: names of the figures of an architecture that took longer.
    """

    batch = 1

    def __init__(self, evaluator: EachAlone, seconds: float, metrics: Sequence[str]) -> None:
        self._evaluator, self._seconds, self._metrics = evaluator, seconds, list(metrics)
        self._worker: tuple[BaseProcess, Connection] | None = None

    def __call__(self, architectures: Sequence[Architecture]) -> "pd.DataFrame":
        """A row for each architecture.

        Raises:
            UsageError: as the function's evaluator, or the process of the function ended.
        """
        import pandas as pd

        return pd.DataFrame([self.row(architecture) for architecture in architectures])

    def row(self, architecture: Architecture) -> dict[str, float]:
        """The metrics of one architecture."""
        connection = self._started()
        connection.send(architecture.key)
        if not connection.poll(self._seconds):
            self.close()
            return dict.fromkeys(self._metrics, math.nan)
        try:
            found = connection.recv()
        except EOFError:
            self.close()
            raise UsageError(
                f"the process that evaluates ended at architecture {architecture.id}, {architecture.key}; see what it "
                "printed, and leave out evaluation.seconds to see it in this process."
            ) from None
        if isinstance(found, str):
            raise UsageError(found)
        return dict(found)

    def close(self) -> None:
        """Ends the process; the next architecture begins another."""
        if self._worker is not None:
            _end(*self._worker)
            self._worker = None

    def _started(self) -> Connection:
        """The connection to a process that is ready."""
        if self._worker is not None:
            return self._worker[1]
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(pickle.dumps(self._evaluator), theirs), daemon=True)
        process.start()
        theirs.close()
        self._worker = process, ours
        weakref.finalize(self, _end, process, ours)
        try:
            ready = ours.poll(_START_SECONDS) and ours.recv()
        except EOFError:
            ready = False
        if not ready:
            self.close()
            raise UsageError("the process that evaluates could not be started; leave out evaluation.seconds.")
        return ours


def _end(process: BaseProcess, connection: Connection) -> None:
    connection.close()
    process.kill()
    process.join()


def _serve(pickled: bytes, connection: Connection) -> None:
    """Evaluates what it is sent, until nobody listens."""
    follow_parent()
    sys.path.append("")
    evaluator: EachAlone = pickle.loads(pickled)
    connection.send(True)
    while True:
        try:
            key = connection.recv()
        except EOFError:
            return
        try:
            connection.send(evaluator.row(Architecture.from_json(key)))
        except UsageError as error:
            connection.send(str(error))
