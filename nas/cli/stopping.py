"""What ends a command from outside: Ctrl-C, and SIGTERM, with which schedulers and containers do it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["exit_code", "terminable"]

_terminated = threading.Event()
"""Whether SIGTERM came, as the process knows: libraries in C raise a KeyboardInterrupt of their own instead of ours."""


@contextmanager
def terminable() -> Iterator[None]:
    """Within it SIGTERM is a KeyboardInterrupt, as Ctrl-C is, in the main thread, which alone gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _terminated.clear()
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_code(end: BaseException) -> int | None:
    """130 after Ctrl-C, 143 after SIGTERM; None if it is another end.

    Ray has a handler of its own for SIGTERM, which exits with the number of the signal.
    """
    if isinstance(end, KeyboardInterrupt):
        return 128 + (signal.SIGTERM if _terminated.is_set() else signal.SIGINT)
    return 128 + signal.SIGTERM if isinstance(end, SystemExit) and end.code == signal.SIGTERM else None


def _interrupt(number: int, frame: FrameType | None) -> None:
    _terminated.set()
    raise KeyboardInterrupt
