"""The searches of a benchmark, or the evaluations of a study, in several processes."""

import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from nas.child_process import follow_parent
from nas.errors import UsageError

__all__ = ["done_in_processes"]

Done = TypeVar("Done")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_work: Callable[..., Any]
"""In a worker: what it does for each task."""


def done_in_processes(
    function: Callable[..., Done], about: Any, tasks: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[Done]:
    """What a function gives for each task, in the order in which they end.

    Args:
        function: of a module; it gets ``about``, then the parts of a task.
        about: what all tasks have in common, sent to each process once.

    Raises:
        UsageError: a task fails, or a process ends.
    """
    context, others = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with _one_thread_each(), ProcessPoolExecutor(workers, context, _begin, (pickle.dumps((function, about)),)) as pool:
        try:
            for done in as_completed([pool.submit(_do, *each) for each in tasks]):
                yield done.result()
        except BrokenProcessPool:
            raise UsageError(
                "a worker process ended, perhaps for want of memory; give the command again to go on, with "
                "fewer --workers."
            ) from None
        except BaseException:  # Ctrl-C, or a task that fails: the others are not waited for
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
    global _work  # noqa: PLW0603  # a process has one
    follow_parent()
    sys.path.append("")
    _work = partial(*pickle.loads(pickled))


def _do(*task: Any) -> Any:
    return _work(*task)
