"""Processes that this package starts for work beside its own, and that must not outlive it."""

import multiprocessing
import os
import signal
import threading

__all__ = ["follow_parent"]


def follow_parent() -> None:
    """In a process of :mod:`multiprocessing`: from now on it ends as soon as its parent has, whatever it is doing.

    A parent that is killed cleans up nothing, and a child that waits for it or hangs would stay for ever. Ctrl-C, which
    a terminal sends to both, is left to the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "this process has no parent"

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
