"""The searches of a benchmark in several processes."""

import multiprocessing
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from nas.benchmark.question import Entrant, Question
from nas.benchmark.trial import Trial, run_trial
from nas.child_process import follow_parent
from nas.errors import UsageError

__all__ = ["trials_in_processes"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_asked: Question
"""In a worker: what all of its searches are of."""


def trials_in_processes(question: Question, left: Sequence[tuple[Entrant, int]], workers: int) -> Iterator[Trial]:
    """Searches for strategies and seeds, in the order in which they end.

    Raises:
        UsageError: a search fails, or a process ends.
    """
    context, others = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with _one_thread_each(), ProcessPoolExecutor(workers, context, _begin, (pickle.dumps(question),)) as pool:
        try:
            for done in as_completed([pool.submit(_trial, *each) for each in left]):
                yield done.result()
        except BrokenProcessPool:
            raise UsageError(
                "a process of the benchmark ended, perhaps for want of memory; give the command again to go on, with "
                "fewer --workers."
            ) from None
        except BaseException:  # Ctrl-C, or a search that fails: the others are not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that are started within it compute with one thread, since they share the cores."""
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name in _THREADS:
            os.environ.pop(name)
            os.environ.update({name: before[name]} if name in before else {})


def _begin(pickled: bytes) -> None:
    """Makes a worker ready; what it gets is from its own parent."""
    global _asked  # noqa: PLW0603  # a process has one
    follow_parent()
    sys.path.append("")
    _asked = pickle.loads(pickled)


def _trial(entrant: Entrant, seed: int) -> Trial:
    return run_trial(_asked, entrant, seed)
